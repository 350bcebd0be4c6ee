-- Lists and searches of products take the same time whatever their number.

-- The order in which lists show the states of a product.
CREATE FUNCTION catalog_status_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT CASE status WHEN 'ACTIVE' THEN 0 WHEN 'DRAFT' THEN 1 ELSE 2 END $$;

CREATE INDEX catalog_products_shown ON catalog_products (catalog_status_rank(status), created_at DESC, id);
CREATE INDEX catalog_products_shown_by_category
    ON catalog_products (category_id, catalog_status_rank(status), created_at DESC, id);

-- Every run of one, two and three characters in a text. With an index on them a search for any part of a name
-- needs no extension of the server.
CREATE FUNCTION text_grams(value text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000
    AS $$
        DECLARE
            c CONSTANT text[] := string_to_array(lower(value), NULL);
            grams text[] := c;
        BEGIN
            FOR n IN 1..cardinality(c) - 1 LOOP
                grams := grams || (c[n] || c[n + 1]);
            END LOOP;
            FOR n IN 1..cardinality(c) - 2 LOOP
                grams := grams || (c[n] || c[n + 1] || c[n + 2]);
            END LOOP;
            RETURN grams;
        END
    $$;

-- The runs a text must have so that it can contain another: the longest ones.
CREATE FUNCTION text_grams_wanted(value text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT coalesce(array_agg(DISTINCT substr(lower(value), place, least(3, length(value)))), '{}')
        FROM generate_series(1, length(value) - least(3, length(value)) + 1) AS place
    $$;

CREATE INDEX catalog_products_by_part_of_name ON catalog_products USING gin (text_grams(name));

-- How many products there are, so that a page of a list need not count them. The triggers come with 0006.
CREATE TABLE catalog_product_counts (
    category_id uuid NOT NULL,
    status      text NOT NULL,
    products    bigint NOT NULL,
    PRIMARY KEY (category_id, status)
);

-- What the home page shows.
CREATE TABLE display_categories (
    id       text PRIMARY KEY,
    name     text NOT NULL,
    icon_key text NOT NULL CHECK (icon_key IN ('notes', 'setting', 'desktop', 'shield', 'brush', 'hot', 'apps')),
    sort     integer NOT NULL DEFAULT 0,
    enabled  boolean NOT NULL DEFAULT true
);

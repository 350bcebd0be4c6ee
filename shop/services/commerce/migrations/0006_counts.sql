-- Keeps the counts of products and orders. Statement triggers: a bulk insert counts once, not once for each row.

CREATE FUNCTION count_products() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO catalog_product_counts AS c (category_id, status, products)
        SELECT category_id, status, count(*) FROM added GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (category_id, status) DO UPDATE SET products = c.products + excluded.products;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO catalog_product_counts AS c (category_id, status, products)
        SELECT category_id, status, -count(*) FROM removed GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (category_id, status) DO UPDATE SET products = c.products + excluded.products;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO catalog_product_counts AS c (category_id, status, products)
        SELECT category_id, status, sum(n)
        FROM (SELECT category_id, status, 1 AS n FROM added
              UNION ALL SELECT category_id, status, -1 FROM removed) AS moved
        GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2
        ON CONFLICT (category_id, status) DO UPDATE SET products = c.products + excluded.products;
    ELSE
        TRUNCATE catalog_product_counts;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER catalog_products_added AFTER INSERT ON catalog_products
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_products();
CREATE TRIGGER catalog_products_removed AFTER DELETE ON catalog_products
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_products();
CREATE TRIGGER catalog_products_moved AFTER UPDATE ON catalog_products
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_products();
CREATE TRIGGER catalog_products_emptied AFTER TRUNCATE ON catalog_products
    FOR EACH STATEMENT EXECUTE FUNCTION count_products();

-- The triggers hold a lock that keeps writers out until this is committed, so nothing is counted twice or never.
INSERT INTO catalog_product_counts (category_id, status, products)
SELECT category_id, status, count(*) FROM catalog_products GROUP BY 1, 2;

CREATE FUNCTION count_orders_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    WITH changed AS (
            SELECT customer_id, coalesce(owner_sales_user_id, nobody) AS owner, status, count(*) AS n
            FROM added GROUP BY 1, 2, 3
    ), of_owners AS (
        INSERT INTO order_counts AS c (owner_sales_user_id, status, shard, orders)
        SELECT owner, status, pg_backend_pid() % 16, sum(n) FROM changed GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2
        ON CONFLICT (owner_sales_user_id, status, shard) DO UPDATE SET orders = c.orders + excluded.orders
    )
    INSERT INTO customer_order_counts AS c (customer_id, owner_sales_user_id, status, orders)
    SELECT customer_id, owner, status, n FROM changed ORDER BY 1, 2, 3
    ON CONFLICT (customer_id, owner_sales_user_id, status) DO UPDATE SET orders = c.orders + excluded.orders;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_orders_removed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    WITH changed AS (
            SELECT customer_id, coalesce(owner_sales_user_id, nobody) AS owner, status, -count(*) AS n
            FROM removed GROUP BY 1, 2, 3
    ), of_owners AS (
        INSERT INTO order_counts AS c (owner_sales_user_id, status, shard, orders)
        SELECT owner, status, pg_backend_pid() % 16, sum(n) FROM changed GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2
        ON CONFLICT (owner_sales_user_id, status, shard) DO UPDATE SET orders = c.orders + excluded.orders
    )
    INSERT INTO customer_order_counts AS c (customer_id, owner_sales_user_id, status, orders)
    SELECT customer_id, owner, status, n FROM changed ORDER BY 1, 2, 3
    ON CONFLICT (customer_id, owner_sales_user_id, status) DO UPDATE SET orders = c.orders + excluded.orders;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_orders_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    WITH changed AS (
            SELECT customer_id, coalesce(owner_sales_user_id, nobody) AS owner, status, sum(n)::bigint AS n
            FROM (SELECT customer_id, owner_sales_user_id, status, 1 AS n FROM added
                  UNION ALL SELECT customer_id, owner_sales_user_id, status, -1 FROM removed) AS both_sides
            GROUP BY 1, 2, 3 HAVING sum(n) <> 0
    ), of_owners AS (
        INSERT INTO order_counts AS c (owner_sales_user_id, status, shard, orders)
        SELECT owner, status, pg_backend_pid() % 16, sum(n) FROM changed GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2
        ON CONFLICT (owner_sales_user_id, status, shard) DO UPDATE SET orders = c.orders + excluded.orders
    )
    INSERT INTO customer_order_counts AS c (customer_id, owner_sales_user_id, status, orders)
    SELECT customer_id, owner, status, n FROM changed ORDER BY 1, 2, 3
    ON CONFLICT (customer_id, owner_sales_user_id, status) DO UPDATE SET orders = c.orders + excluded.orders;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_no_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE order_counts, customer_order_counts;
    RETURN NULL;
END
$$;

CREATE TRIGGER orders_added AFTER INSERT ON orders
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_orders_added();
CREATE TRIGGER orders_removed AFTER DELETE ON orders
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_orders_removed();
CREATE TRIGGER orders_moved AFTER UPDATE ON orders
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_orders_moved();
CREATE TRIGGER orders_emptied AFTER TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION count_no_orders();

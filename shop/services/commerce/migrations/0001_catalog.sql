-- What there is to buy. Amounts are in fen.

CREATE TABLE catalog_categories (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL,
    parent_id  uuid,
    sort       integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE catalog_products (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name              text NOT NULL,
    description       text,
    category_id       uuid NOT NULL,
    cover_image_url   text,
    images            text[] NOT NULL DEFAULT '{}',
    tags              text[] NOT NULL DEFAULT '{}',
    filter_dimensions text[] NOT NULL DEFAULT '{}',
    status            text NOT NULL DEFAULT 'DRAFT' CHECK (status IN ('ACTIVE', 'INACTIVE', 'DRAFT')),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX catalog_products_by_category ON catalog_products (category_id);
CREATE INDEX catalog_products_newest ON catalog_products (created_at DESC, id);

CREATE TABLE catalog_skus (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    product_id uuid NOT NULL REFERENCES catalog_products (id) ON DELETE CASCADE,
    sku_code   text,
    name       text NOT NULL,
    spec       text,
    attributes jsonb NOT NULL DEFAULT '{}',
    unit       text,
    is_active  boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX catalog_skus_code ON catalog_skus (sku_code) WHERE sku_code IS NOT NULL;
CREATE INDEX catalog_skus_by_product ON catalog_skus (product_id);
CREATE INDEX catalog_skus_by_name ON catalog_skus (name, spec);

CREATE TABLE catalog_price_tiers (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sku_id         uuid NOT NULL REFERENCES catalog_skus (id) ON DELETE CASCADE,
    min_qty        integer NOT NULL,
    max_qty        integer,
    unit_price_fen bigint NOT NULL
);

CREATE INDEX catalog_price_tiers_by_sku ON catalog_price_tiers (sku_id, min_qty);

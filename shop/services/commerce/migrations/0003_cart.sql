-- What a user remembers and wants to buy.

CREATE TABLE wishlist_items (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_user_id uuid NOT NULL,
    sku_id        uuid NOT NULL REFERENCES catalog_skus (id) ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_user_id, sku_id)
);

CREATE INDEX wishlist_items_newest ON wishlist_items (owner_user_id, created_at DESC, id);
CREATE INDEX wishlist_items_by_sku ON wishlist_items (sku_id);

CREATE TABLE cart_items (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_user_id uuid NOT NULL,
    sku_id        uuid NOT NULL REFERENCES catalog_skus (id) ON DELETE CASCADE,
    qty           integer NOT NULL CHECK (qty > 0),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_user_id, sku_id)
);

CREATE INDEX cart_items_by_sku ON cart_items (sku_id);

CREATE TABLE cart_import_jobs (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_user_id uuid NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- One row of an imported spreadsheet: what it said, what was found for it, what was chosen for it.
CREATE TABLE cart_import_rows (
    job_id            uuid NOT NULL REFERENCES cart_import_jobs (id) ON DELETE CASCADE,
    row_no            integer NOT NULL,
    raw_name          text NOT NULL,
    raw_spec          text,
    raw_qty           text,
    match_type        text NOT NULL CHECK (match_type IN ('AUTO', 'AMBIGUOUS', 'NOT_FOUND')),
    candidate_sku_ids uuid[] NOT NULL DEFAULT '{}',
    chosen_sku_id     uuid,
    chosen_qty        integer,
    PRIMARY KEY (job_id, row_no)
);

CREATE TABLE user_addresses (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id        uuid NOT NULL,
    receiver_name  text NOT NULL,
    receiver_phone text NOT NULL,
    detail         text NOT NULL,
    is_default     boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX user_addresses_one_default ON user_addresses (user_id) WHERE is_default;
CREATE INDEX user_addresses_of_user ON user_addresses (user_id, is_default DESC, created_at DESC, id);

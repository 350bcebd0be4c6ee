-- What was ordered, how it is paid and where it is. Amounts are in fen.

CREATE TABLE orders (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status              text NOT NULL DEFAULT 'SUBMITTED' CHECK (status IN
        ('SUBMITTED', 'CONFIRMED', 'PAY_PENDING', 'PAID', 'PAY_FAILED', 'SHIPPED', 'DELIVERED', 'CANCELLED', 'CLOSED')),
    payment_status      text NOT NULL DEFAULT 'UNPAID' CHECK (payment_status IN
        ('UNPAID', 'PAY_PENDING', 'PAID', 'PAY_FAILED', 'CANCELLED')),
    customer_id         uuid NOT NULL,
    owner_sales_user_id uuid,
    address             jsonb NOT NULL,
    remark              text,
    idempotency_key     text,
    latest_payment_id   uuid,
    payment_channel     text,
    paid_at             timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX orders_once_for_each_key ON orders (customer_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_newest ON orders (created_at DESC, id);
CREATE INDEX orders_by_status ON orders (status, created_at DESC, id);
CREATE INDEX orders_of_customer ON orders (customer_id, created_at DESC, id);
CREATE INDEX orders_of_customer_by_status ON orders (customer_id, status, created_at DESC, id);
CREATE INDEX orders_of_owner ON orders (owner_sales_user_id, created_at DESC, id);
CREATE INDEX orders_of_owner_by_status ON orders (owner_sales_user_id, status, created_at DESC, id);

CREATE TABLE order_items (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id       uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position       integer NOT NULL,
    sku_id         uuid NOT NULL REFERENCES catalog_skus (id),
    qty            integer NOT NULL CHECK (qty > 0),
    unit_price_fen bigint NOT NULL,
    cart_item_id   uuid,
    UNIQUE (order_id, position)
);

CREATE INDEX order_items_by_sku ON order_items (sku_id);

CREATE TABLE order_tracking_shipments (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id   uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    waybill_no text NOT NULL,
    carrier    text,
    shipped_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, waybill_no)
);

-- What administrators did to an order. The key makes a repeated request harmless.
CREATE TABLE order_admin_events (
    id                            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id                      uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    idempotency_key               text NOT NULL,
    actor_user_id                 uuid NOT NULL,
    action                        text NOT NULL,
    note                          text NOT NULL,
    previous_status               text NOT NULL,
    new_status                    text NOT NULL,
    previous_payment_status       text NOT NULL,
    new_payment_status            text NOT NULL,
    previous_owner_sales_user_id  uuid,
    new_owner_sales_user_id       uuid NOT NULL,
    created_at                    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, idempotency_key)
);

CREATE INDEX order_admin_events_newest ON order_admin_events (order_id, created_at DESC, id);

-- How many orders there are, so that a page of a list and the statistics need not count them. Orders of one owner
-- are counted in several places (shard), so that two orders placed at once rarely wait for each other. The owner
-- of orders without one is the nil UUID here.
CREATE TABLE order_counts (
    owner_sales_user_id uuid NOT NULL,
    status              text NOT NULL,
    shard               smallint NOT NULL,
    orders              bigint NOT NULL,
    PRIMARY KEY (owner_sales_user_id, status, shard)
);

CREATE TABLE customer_order_counts (
    customer_id         uuid NOT NULL,
    owner_sales_user_id uuid NOT NULL,
    status              text NOT NULL,
    orders              bigint NOT NULL,
    PRIMARY KEY (customer_id, owner_sales_user_id, status)
);

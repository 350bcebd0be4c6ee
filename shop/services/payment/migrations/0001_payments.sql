-- A payment is one attempt to pay one order over one channel.
CREATE TABLE payments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL,
    payer_user_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('WECHAT', 'WECHAT_B2B', 'ALIPAY')),
    -- Whether real money can come of it.
    mode text NOT NULL CHECK (mode IN ('mock', 'live')),
    status text NOT NULL CHECK (status IN ('PAY_PENDING', 'PAID', 'PAY_FAILED', 'CANCELLED')),
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    currency text NOT NULL DEFAULT 'CNY',
    idempotency_key text,
    -- What the client needs to pay; null until the provider has answered.
    session jsonb,
    provider_trade_no text,
    failure_code text,
    failure_message text,
    expires_at timestamptz NOT NULL,
    paid_at timestamptz,
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'PAID') = (paid_at IS NOT NULL))
);
-- An order has at most one open session per channel, so that nobody pays twice by asking twice.
CREATE UNIQUE INDEX payments_open ON payments (order_id, channel) WHERE status = 'PAY_PENDING';
CREATE UNIQUE INDEX payments_key ON payments (order_id, channel, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX payments_of_order ON payments (order_id, created_at);

-- Everything that has happened to payments, in order. Only ever added to.
CREATE TABLE payment_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments,
    at timestamptz NOT NULL DEFAULT now(),
    entry text NOT NULL,
    status_before text,
    status_after text NOT NULL,
    amount_fen bigint NOT NULL,
    -- Who said so: `create`, `wechat`, `alipay`, `mock`.
    source text NOT NULL,
    -- The provider's number of the trade or of the notification.
    reference text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX payment_ledger_of_payment ON payment_ledger (payment_id, id);

CREATE FUNCTION payment_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to';
END
$$;
CREATE TRIGGER payment_ledger_append_only BEFORE UPDATE OR DELETE ON payment_ledger
    FOR EACH ROW EXECUTE FUNCTION payment_ledger_is_append_only();

-- Notifications that were dealt with; a provider sends each until it is answered, and sometimes once more.
CREATE TABLE payment_notifications (
    provider text NOT NULL,
    event_id text NOT NULL,
    payment_id uuid NOT NULL REFERENCES payments,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, event_id)
);

-- What commerce has to be told. Written with the change that it tells of, removed from the queue when commerce
-- has answered.
CREATE TABLE order_sync (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL,
    payment_id uuid NOT NULL REFERENCES payments,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    delivered_at timestamptz
);
CREATE INDEX order_sync_waiting ON order_sync (order_id, id) WHERE delivered_at IS NULL;

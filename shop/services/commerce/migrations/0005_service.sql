-- What customers ask for: products that are missing, help, a price. And the work that is done in the background.

CREATE TABLE product_requests (
    id                   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_by_user_id   uuid NOT NULL,
    owner_sales_user_id  uuid,
    name                 text NOT NULL,
    category_id          uuid,
    spec                 text,
    material             text,
    dimensions           text,
    color                text,
    qty                  text,
    note                 text,
    reference_image_urls text[] NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX product_requests_newest ON product_requests (created_at DESC, id);
CREATE INDEX product_requests_of_creator ON product_requests (created_by_user_id, created_at DESC, id);
CREATE INDEX product_requests_of_owner ON product_requests (owner_sales_user_id, created_at DESC, id);
CREATE INDEX product_requests_by_part_of_name ON product_requests USING gin (text_grams(name));

CREATE TABLE after_sales_tickets (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status                 text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'IN_PROGRESS', 'RESOLVED', 'CLOSED')),
    order_id               uuid REFERENCES orders (id) ON DELETE SET NULL,
    created_by_user_id     uuid NOT NULL,
    owner_sales_user_id    uuid,
    assigned_staff_user_id uuid,
    subject                text NOT NULL,
    description            text NOT NULL,
    attachments            text[] NOT NULL DEFAULT '{}',
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX after_sales_tickets_newest ON after_sales_tickets (created_at DESC, id);
CREATE INDEX after_sales_tickets_of_creator ON after_sales_tickets (created_by_user_id, created_at DESC, id);
CREATE INDEX after_sales_tickets_of_owner ON after_sales_tickets (owner_sales_user_id, created_at DESC, id);
CREATE INDEX after_sales_tickets_of_order ON after_sales_tickets (order_id);

CREATE TABLE after_sales_messages (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ticket_id      uuid NOT NULL REFERENCES after_sales_tickets (id) ON DELETE CASCADE,
    sender_type    text NOT NULL CHECK (sender_type IN ('customer', 'staff', 'ai')),
    sender_user_id uuid,
    content        text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX after_sales_messages_in_order ON after_sales_messages (ticket_id, created_at, id);

CREATE TABLE price_inquiries (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status                 text NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'RESPONDED', 'CLOSED')),
    created_by_user_id     uuid NOT NULL,
    owner_sales_user_id    uuid,
    assigned_sales_user_id uuid,
    sku_id                 uuid REFERENCES catalog_skus (id) ON DELETE SET NULL,
    order_id               uuid REFERENCES orders (id) ON DELETE SET NULL,
    message                text NOT NULL,
    response_note          text,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX price_inquiries_newest ON price_inquiries (created_at DESC, id);
CREATE INDEX price_inquiries_of_creator ON price_inquiries (created_by_user_id, created_at DESC, id);
CREATE INDEX price_inquiries_of_owner ON price_inquiries (owner_sales_user_id, created_at DESC, id);
CREATE INDEX price_inquiries_of_assignee ON price_inquiries (assigned_sales_user_id, created_at DESC, id);
CREATE INDEX price_inquiries_of_sku ON price_inquiries (sku_id);
CREATE INDEX price_inquiries_of_order ON price_inquiries (order_id);

CREATE TABLE inquiry_messages (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    inquiry_id     uuid NOT NULL REFERENCES price_inquiries (id) ON DELETE CASCADE,
    sender_type    text NOT NULL CHECK (sender_type IN ('customer', 'staff', 'ai')),
    sender_user_id uuid,
    content        text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX inquiry_messages_in_order ON inquiry_messages (inquiry_id, created_at, id);

-- Imports and exports. A worker owns a RUNNING job until its lease ends; `attempts` is its fence.
CREATE TABLE import_jobs (
    id                 uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    type               text NOT NULL CHECK (type IN ('PRODUCT_IMPORT', 'PRODUCT_REQUEST_EXPORT', 'SHIPMENT_IMPORT')),
    status             text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED')),
    progress           integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    result_file_url    text,
    error_report_url   text,
    created_by_user_id uuid NOT NULL,
    params             jsonb NOT NULL DEFAULT '{}',
    attempts           integer NOT NULL DEFAULT 0,
    lease_until        timestamptz,
    failure            text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX import_jobs_to_do ON import_jobs (created_at, id) WHERE status IN ('PENDING', 'RUNNING');

-- What was uploaded for a job; goes when the job is done.
CREATE TABLE import_job_uploads (
    job_id  uuid NOT NULL REFERENCES import_jobs (id) ON DELETE CASCADE,
    field   text NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (job_id, field)
);

-- What has become of each row of a product import; written with the row's product, so that a job which is begun
-- again goes on where it ended.
CREATE TABLE product_import_rows (
    job_id       uuid NOT NULL REFERENCES import_jobs (id) ON DELETE CASCADE,
    row_no       integer NOT NULL,
    group_key    text NOT NULL,
    sku_code     text NOT NULL,
    product_name text NOT NULL,
    error        text,
    PRIMARY KEY (job_id, row_no)
);

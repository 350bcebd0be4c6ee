-- Who there is and what they may do.

CREATE TABLE roles (
    code        text PRIMARY KEY,
    user_type   text NOT NULL CHECK (user_type IN ('customer', 'staff', 'admin')),
    description text
);

CREATE TABLE permissions (
    code        text PRIMARY KEY,
    description text
);

CREATE TABLE role_permissions (
    role_code       text NOT NULL REFERENCES roles (code) ON DELETE CASCADE,
    permission_code text NOT NULL REFERENCES permissions (code) ON DELETE CASCADE,
    scope           text NOT NULL CHECK (scope IN ('SELF', 'OWNED', 'ALL')),
    PRIMARY KEY (role_code, permission_code)
);

CREATE TABLE users (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    display_name        text,
    avatar_url          text,
    phone               text,
    user_type           text NOT NULL CHECK (user_type IN ('customer', 'staff', 'admin')),
    owner_sales_user_id uuid REFERENCES users (id) ON DELETE SET NULL,
    status              text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    disabled_at         timestamptz,
    disabled_reason     text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX users_phone ON users (phone) WHERE phone IS NOT NULL;
CREATE INDEX users_owner ON users (owner_sales_user_id) WHERE owner_sales_user_id IS NOT NULL;

CREATE TABLE user_roles (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role    text NOT NULL REFERENCES roles (code),
    PRIMARY KEY (user_id, role)
);

CREATE TABLE user_identities (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider          text NOT NULL CHECK (provider IN ('weapp', 'alipay')),
    provider_user_id  text NOT NULL,
    provider_union_id text,
    user_id           uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (provider, provider_user_id),
    UNIQUE (user_id, provider)
);

CREATE TABLE user_passwords (
    user_id       uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    username      text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sales_qr_codes (
    scene         text PRIMARY KEY,
    sales_user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    platform      text NOT NULL CHECK (platform IN ('weapp', 'alipay')),
    qr_code_url   text,
    expires_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE staff_binding_tokens (
    token         text PRIMARY KEY,
    staff_user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    platform      text NOT NULL CHECK (platform IN ('weapp', 'alipay')),
    expires_at    timestamptz,
    used_at       timestamptz,
    created_by    uuid REFERENCES users (id) ON DELETE SET NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_logs (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    actor_user_id uuid,
    action        text NOT NULL,
    target_type   text,
    target_id     uuid,
    metadata      jsonb,
    request_id    text,
    ip            text,
    user_agent    text,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX audit_logs_newest ON audit_logs (created_at DESC);

-- One row for the whole platform.
CREATE TABLE feature_flags (
    id                 smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    payment_enabled    boolean NOT NULL DEFAULT false,
    wechat_pay_enabled boolean NOT NULL DEFAULT false,
    alipay_pay_enabled boolean NOT NULL DEFAULT false,
    updated_at         timestamptz NOT NULL DEFAULT now()
);

INSERT INTO feature_flags (id) VALUES (1);

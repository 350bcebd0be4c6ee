-- What lists and searches look for. Only additions: the release before this one runs on them as well.

CREATE INDEX users_by_type ON users (user_type, created_at DESC, id);
CREATE INDEX user_roles_by_role ON user_roles (role, user_id);
CREATE INDEX sales_qr_codes_newest ON sales_qr_codes (sales_user_id, platform, created_at DESC);
CREATE INDEX audit_logs_by_actor ON audit_logs (actor_user_id, created_at DESC);
CREATE INDEX audit_logs_by_action ON audit_logs (action, created_at DESC);
CREATE INDEX audit_logs_by_target_type ON audit_logs (target_type, created_at DESC);

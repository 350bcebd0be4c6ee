-- Providers are asked about sessions whose notification never came: when the next time is, and how often it was.
-- Null: not asked any more.
ALTER TABLE payments ADD COLUMN next_check_at timestamptz;
ALTER TABLE payments ADD COLUMN checks integer NOT NULL DEFAULT 0;
UPDATE payments SET next_check_at = now() WHERE mode = 'live' AND status = 'PAY_PENDING' AND session IS NOT NULL;
CREATE INDEX payments_to_check ON payments (next_check_at)
    WHERE status = 'PAY_PENDING' OR status = 'CANCELLED' AND failure_code = 'EXPIRED';

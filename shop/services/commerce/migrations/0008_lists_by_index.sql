-- What a sales user sees of the inquiries: those that belong to the sales user, and those of others that the sales user is
-- asked about. A page of both is found by walking two indexes beside each other; the order inside is the one that lists
-- have, without which the second half would be read as a whole.
CREATE VIEW price_inquiries_of_sales_users AS
    SELECT owner_sales_user_id AS sales_user_id, id, status, created_at FROM price_inquiries
    UNION ALL
    (SELECT assigned_sales_user_id, id, status, created_at FROM price_inquiries
     WHERE assigned_sales_user_id IS DISTINCT FROM owner_sales_user_id ORDER BY created_at DESC, id);

CREATE INDEX price_inquiries_of_owner_by_status
    ON price_inquiries (owner_sales_user_id, status, created_at DESC, id);
DROP INDEX price_inquiries_of_assignee;
CREATE INDEX price_inquiries_of_assignee ON price_inquiries (assigned_sales_user_id, created_at DESC, id)
    WHERE assigned_sales_user_id IS DISTINCT FROM owner_sales_user_id;
CREATE INDEX price_inquiries_of_assignee_by_status
    ON price_inquiries (assigned_sales_user_id, status, created_at DESC, id)
    WHERE assigned_sales_user_id IS DISTINCT FROM owner_sales_user_id;

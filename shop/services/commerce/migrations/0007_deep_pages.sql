-- A page far down a list is found by walking an index alone. So an index has everything that a list is narrowed by.

DROP INDEX catalog_products_shown;
CREATE INDEX catalog_products_shown
    ON catalog_products (catalog_status_rank(status), created_at DESC, id) INCLUDE (status);
DROP INDEX catalog_products_shown_by_category;
CREATE INDEX catalog_products_shown_by_category
    ON catalog_products (category_id, catalog_status_rank(status), created_at DESC, id) INCLUDE (status);

CREATE INDEX after_sales_tickets_by_status ON after_sales_tickets (status, created_at DESC, id);
CREATE INDEX after_sales_tickets_of_creator_by_status
    ON after_sales_tickets (created_by_user_id, status, created_at DESC, id);
CREATE INDEX after_sales_tickets_of_owner_by_status
    ON after_sales_tickets (owner_sales_user_id, status, created_at DESC, id);

CREATE INDEX price_inquiries_by_status ON price_inquiries (status, created_at DESC, id);
CREATE INDEX price_inquiries_of_creator_by_status
    ON price_inquiries (created_by_user_id, status, created_at DESC, id);

-- The roles and permissions the platform starts with. Administrators change them from here on, so later
-- migrations add codes and never overwrite grants.

INSERT INTO roles (code, user_type, description) VALUES
    ('CUSTOMER', 'customer', 'Buys'),
    ('SALES', 'staff', 'Looks after customers'),
    ('PROCUREMENT', 'staff', 'Buys in and ships'),
    ('CS', 'staff', 'Helps customers'),
    ('ADMIN', 'admin', 'Runs the platform'),
    ('BOSS', 'admin', 'Owns the platform'),
    ('MANAGER', 'staff', 'Leads sales and service');

INSERT INTO permissions (code, description) VALUES
    ('catalog:read', 'Browse the catalogue'),
    ('wishlist:manage', 'Keep a wishlist'),
    ('cart:manage', 'Fill a cart'),
    ('order:create', 'Place orders'),
    ('order:read', 'See orders'),
    ('tracking:read', 'See shipments'),
    ('product_request:create', 'Ask for products that are not in the catalogue'),
    ('product_request:read', 'See product requests'),
    ('product_request:export', 'Export product requests'),
    ('after_sales:create', 'Open after-sales tickets'),
    ('after_sales:read', 'See after-sales tickets'),
    ('after_sales:manage', 'Work on after-sales tickets'),
    ('inquiry:create', 'Ask for prices'),
    ('inquiry:read', 'See price inquiries'),
    ('inquiry:manage', 'Answer price inquiries'),
    ('customer:transfer', 'Give customers to another sales user'),
    ('customer:read', 'See customers'),
    ('product:manage', 'Change the catalogue'),
    ('import:product', 'Import products from spreadsheets'),
    ('import:shipment', 'Import shipments from spreadsheets'),
    ('shipment:manage', 'Record shipments'),
    ('import:cart', 'Fill a cart from a spreadsheet'),
    ('config:feature_flags', 'Switch features on and off'),
    ('payment:manage', 'Work on payments'),
    ('rbac:manage', 'Change roles and permissions'),
    ('staff:read', 'See staff'),
    ('staff:status_manage', 'Disable and enable staff'),
    ('customer:tag', 'Tag customers'),
    ('order:manage', 'Change orders');

INSERT INTO role_permissions (role_code, permission_code, scope) VALUES
    ('CUSTOMER', 'catalog:read', 'ALL'),
    ('CUSTOMER', 'wishlist:manage', 'SELF'),
    ('CUSTOMER', 'cart:manage', 'SELF'),
    ('CUSTOMER', 'import:cart', 'SELF'),
    ('CUSTOMER', 'order:create', 'SELF'),
    ('CUSTOMER', 'order:read', 'SELF'),
    ('CUSTOMER', 'tracking:read', 'SELF'),
    ('CUSTOMER', 'product_request:create', 'SELF'),
    ('CUSTOMER', 'product_request:read', 'SELF'),
    ('CUSTOMER', 'after_sales:create', 'SELF'),
    ('CUSTOMER', 'after_sales:read', 'SELF'),
    ('CUSTOMER', 'inquiry:create', 'SELF'),
    ('CUSTOMER', 'inquiry:read', 'SELF');

INSERT INTO role_permissions (role_code, permission_code, scope) VALUES
    ('SALES', 'catalog:read', 'ALL'),
    ('SALES', 'order:read', 'OWNED'),
    ('SALES', 'tracking:read', 'OWNED'),
    ('SALES', 'inquiry:manage', 'OWNED'),
    ('SALES', 'product_request:read', 'OWNED'),
    ('SALES', 'after_sales:manage', 'OWNED'),
    ('SALES', 'customer:read', 'OWNED');

INSERT INTO role_permissions (role_code, permission_code, scope) VALUES
    ('PROCUREMENT', 'order:read', 'ALL'),
    ('PROCUREMENT', 'tracking:read', 'ALL'),
    ('PROCUREMENT', 'import:shipment', 'ALL'),
    ('PROCUREMENT', 'shipment:manage', 'ALL');

INSERT INTO role_permissions (role_code, permission_code, scope) VALUES
    ('CS', 'after_sales:manage', 'ALL'),
    ('CS', 'inquiry:manage', 'ALL'),
    ('CS', 'order:read', 'ALL'),
    ('CS', 'tracking:read', 'ALL'),
    ('CS', 'product_request:read', 'ALL'),
    ('CS', 'import:shipment', 'ALL'),
    ('CS', 'shipment:manage', 'ALL');

INSERT INTO role_permissions (role_code, permission_code, scope) VALUES
    ('MANAGER', 'catalog:read', 'ALL'),
    ('MANAGER', 'order:read', 'ALL'),
    ('MANAGER', 'tracking:read', 'ALL'),
    ('MANAGER', 'inquiry:manage', 'ALL'),
    ('MANAGER', 'product_request:read', 'ALL'),
    ('MANAGER', 'after_sales:manage', 'ALL'),
    ('MANAGER', 'customer:read', 'ALL'),
    ('MANAGER', 'customer:transfer', 'ALL'),
    ('MANAGER', 'staff:read', 'ALL'),
    ('MANAGER', 'staff:status_manage', 'ALL'),
    ('MANAGER', 'customer:tag', 'ALL'),
    ('MANAGER', 'order:manage', 'ALL');

-- The two administrative roles hold everything.
INSERT INTO role_permissions (role_code, permission_code, scope)
SELECT role.code, permission.code, 'ALL'
FROM roles role CROSS JOIN permissions permission
WHERE role.code IN ('ADMIN', 'BOSS');

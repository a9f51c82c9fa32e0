-- `expect` (../expect.sql) stops the script when its argument is not true, and with it the test.
-- Nothing that another test writes is here: the rows are exactly those of the seed.
CALL expect((SELECT sum(n) = 10184 FROM row_count));

INSERT INTO orders (customer_id, address_id) VALUES (17, 34);

-- Ids can be relied on as well: the seed ends at 1000 and no other test has taken the next one.
CALL expect((SELECT max(id) = 1001 FROM orders));

INSERT INTO order_line (order_id, position, variant_id, quantity, unit_price_cents)
SELECT 1001, id, id, 2, price_cents FROM variant WHERE id <= 3;

CALL expect((
    SELECT gross_cents = 2 * (537 + 574 + 611) AND discount_cents = 0 FROM order_total WHERE order_id = 1001
));
CALL expect((SELECT sum(n) = 10184 + 4 FROM row_count));

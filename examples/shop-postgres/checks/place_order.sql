-- ASSERT stops the script when its condition is not true, and with it the test.
-- Nothing that another test writes is here: the rows are exactly those of the seed.
DO $$ BEGIN ASSERT (SELECT sum(n) = 10184 FROM row_count); END $$;

INSERT INTO orders (customer_id, address_id) VALUES (17, 34);

-- Ids can be relied on as well: the seed ends at 1000 and no other test has taken the next one.
DO $$ BEGIN ASSERT (SELECT max(id) = 1001 FROM orders); END $$;

INSERT INTO order_line (order_id, position, variant_id, quantity, unit_price_cents)
SELECT 1001, id, id, 2, price_cents FROM variant WHERE id <= 3;

-- Text after the condition is what a failure says.
DO $$
BEGIN
    ASSERT (SELECT gross_cents = 2 * (537 + 574 + 611) AND discount_cents = 0 FROM order_total WHERE order_id = 1001),
        'the order has another total than its lines';
    ASSERT (SELECT sum(n) = 10184 + 4 FROM row_count), 'rows';
END
$$;

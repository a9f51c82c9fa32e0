CALL expect((SELECT sum(n) = 10184 FROM row_count));

UPDATE variant SET price_cents = price_cents * 11 DIV 10;
CALL expect((SELECT count(*) = 25 + 450 FROM audit_log));
-- What has been ordered keeps its price.
CALL expect((SELECT sum(gross_cents) = 23751882 FROM order_total));

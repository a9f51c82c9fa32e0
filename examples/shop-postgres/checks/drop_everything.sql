DO $$ BEGIN ASSERT (SELECT sum(n) = 10184 FROM row_count); END $$;

DROP VIEW row_count;
DROP VIEW order_total;
DROP TABLE shipment_line;
DROP TABLE shipment;
DROP TABLE refund;
DROP TABLE payment;
DROP TABLE order_line;
DROP TABLE orders;
DO $$ BEGIN ASSERT to_regclass('orders') IS NULL AND to_regclass('customer') IS NOT NULL; END $$;

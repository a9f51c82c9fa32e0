CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT sum(n) = 10184 FROM row_count;

DROP VIEW row_count;
DROP VIEW order_total;
DROP TABLE shipment_line;
DROP TABLE shipment;
DROP TABLE refund;
DROP TABLE payment;
DROP TABLE order_line;
DROP TABLE orders;
INSERT INTO expect SELECT count(*) = 0 FROM sqlite_schema WHERE tbl_name IN ('orders', 'order_line', 'payment');

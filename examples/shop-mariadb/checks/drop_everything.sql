CALL expect((SELECT sum(n) = 10184 FROM row_count));

DROP VIEW row_count, order_total;
DROP TABLE shipment_line, shipment, refund, payment, order_line, orders;
CALL expect((SELECT count(*) = 1 FROM information_schema.tables
              WHERE table_schema = 'shop' AND table_name IN ('orders', 'customer')));

CALL expect((SELECT count(*) = 1350 AND min(quantity) > 0 FROM stock));

UPDATE stock SET quantity = 0 WHERE warehouse_id = 2;
CALL expect((SELECT count(*) = 450 FROM stock WHERE quantity = 0));

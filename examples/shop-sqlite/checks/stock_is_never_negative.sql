CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT sum(quantity) = 131174 AND min(quantity) = 41 FROM stock;

-- The rows that hold fewer than 100 are left as they are.
UPDATE OR IGNORE stock SET quantity = quantity - 100;
INSERT INTO expect SELECT min(quantity) = 0 FROM stock;
INSERT INTO expect SELECT sum(quantity) < 131174 FROM stock;

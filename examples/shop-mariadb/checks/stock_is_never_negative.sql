CALL expect((SELECT sum(quantity) = 131174 AND min(quantity) = 41 FROM stock));

CALL refused('UPDATE stock SET quantity = quantity - 100');

UPDATE stock SET quantity = quantity - 41;
CALL expect((SELECT min(quantity) = 0 AND sum(quantity) = 131174 - 41 * 1350 FROM stock));

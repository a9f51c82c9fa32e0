-- Ümläute belong to the sum.
INSERT INTO customer VALUES (1, 'Ann');

-- no-transaction
CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customer);

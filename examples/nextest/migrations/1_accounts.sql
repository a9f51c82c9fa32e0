CREATE TABLE account (
    id      integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    owner   text NOT NULL,
    balance bigint NOT NULL CHECK (balance >= 0)
);
INSERT INTO account (owner, balance) VALUES ('Ada', 100), ('Grace', 50);

-- The trigger on shipment_line takes what is sent out of the stock.
CALL expect((SELECT sum(quantity) = 131174 FROM stock));

INSERT INTO shipment (order_id, warehouse_id, tracking) VALUES (3, 2, 'TRK-3');
INSERT INTO shipment_line (shipment_id, order_id, position)
SELECT shipment.id, 3, position
  FROM shipment JOIN order_line ON order_line.order_id = shipment.order_id WHERE tracking = 'TRK-3';
CALL expect((SELECT sum(quantity) = 131174 - 8 FROM stock));

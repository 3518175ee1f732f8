-- Acme Home, a sample company: what its systems hold on the evening of 22 November 2026.
-- Every person, address and number is made up. Domains end in .example; numbers are from ranges that nobody is given.

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT NOT NULL,
  city TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'vip', 'closed')),
  ssn TEXT NOT NULL,
  card_number TEXT NOT NULL
) STRICT;

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  placed_on TEXT NOT NULL,
  item TEXT NOT NULL,
  amount_cents INTEGER NOT NULL,
  currency TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('shipped', 'delivered', 'refunded'))
) STRICT;

CREATE TABLE notes (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  author TEXT NOT NULL,
  created_on TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('call', 'visit', 'agreement', 'dispute')),
  body TEXT NOT NULL
) STRICT;

-- An incremental backup can be restored only while the full one that it builds on is there.
CREATE TABLE backups (
  id TEXT PRIMARY KEY,
  taken_on TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('full', 'incremental')),
  builds_on TEXT,
  size_gb INTEGER NOT NULL
) STRICT;

CREATE TABLE volumes (
  name TEXT PRIMARY KEY,
  capacity_gb INTEGER NOT NULL,
  other_gb INTEGER NOT NULL
) STRICT;

-- A bucket of `burst` tokens, refilled at `per_minute`; every write of the CRM takes one.
CREATE TABLE rate_limits (
  route TEXT PRIMARY KEY,
  per_minute INTEGER NOT NULL,
  burst INTEGER NOT NULL,
  tokens REAL NOT NULL,
  refilled_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE alerts (
  name TEXT PRIMARY KEY,
  says TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('warning', 'critical')),
  muted_hours INTEGER
) STRICT;

CREATE TABLE tickets (
  id INTEGER PRIMARY KEY,
  opened_by TEXT NOT NULL,
  customer_id INTEGER REFERENCES customers (id),
  order_id INTEGER REFERENCES orders (id),
  subject TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE outgoing_mail (
  id INTEGER PRIMARY KEY,
  ticket_id INTEGER NOT NULL REFERENCES tickets (id),
  recipient TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE outgoing_payments (
  id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (id),
  amount_cents INTEGER NOT NULL,
  currency TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;

INSERT INTO customers (id, name, email, phone, city, status, ssn, card_number) VALUES
  (8801, 'Ines Carvalho', 'ines.carvalho@brightline-mail.example', '+00 555 0110', 'Porto', 'active', '900-00-1000', '4000 0000 0000 1001'),
  (8802, 'Tomasz Zielinski', 'tomasz@lodz-optics.example', '+00 555 0111', 'Lodz', 'active', '900-00-1037', '4000 0000 0000 1114'),
  (8803, 'Marguerite Aubert', 'm.aubert@aubert-fils.example', '+00 555 0112', 'Lyon', 'vip', '900-00-1074', '4000 0000 0000 1227'),
  (8804, 'Kofi Mensah', 'kofi.mensah@brightline-mail.example', '+00 555 0113', 'Accra', 'active', '900-00-1111', '4000 0000 0000 1340'),
  (8805, 'Sanna Virtanen', 'sanna@kivi-design.example', '+00 555 0114', 'Tampere', 'active', '900-00-1148', '4000 0000 0000 1453'),
  (8806, 'Bram de Groot', 'bram.degroot@brightline-mail.example', '+00 555 0115', 'Utrecht', 'active', '900-00-1185', '4000 0000 0000 1566'),
  (8807, 'Yara Haddad', 'yara@cedarandco.example', '+00 555 0116', 'Beirut', 'vip', '900-00-1222', '4000 0000 0000 1679'),
  (8808, 'Liam O''Connell', 'liam@tidewater.example', '+00 555 0117', 'Galway', 'active', '900-00-1259', '4000 0000 0000 1792'),
  (8809, 'Priya Raman', 'priya.raman@brightline-mail.example', '+00 555 0118', 'Chennai', 'active', '900-00-1296', '4000 0000 0000 1905'),
  (8810, 'Jonas Lindqvist', 'jonas@norrsken-bygg.example', '+00 555 0119', 'Umea', 'closed', '900-00-1333', '4000 0000 0000 2018'),
  (8811, 'Chiara Bellini', 'chiara.bellini@brightline-mail.example', '+00 555 0120', 'Modena', 'active', '900-00-1370', '4000 0000 0000 2131'),
  (8812, 'Mateo Fuentes', 'mateo@fuentes-hermanos.example', '+00 555 0121', 'Valdivia', 'active', '900-00-1407', '4000 0000 0000 2244'),
  (8813, 'Aiko Tanabe', 'aiko@tanabe-paper.example', '+00 555 0122', 'Kyoto', 'vip', '900-00-1444', '4000 0000 0000 2357'),
  (8814, 'Dorota Wrona', 'dorota.wrona@brightline-mail.example', '+00 555 0123', 'Gdynia', 'active', '900-00-1481', '4000 0000 0000 2470'),
  (8815, 'Samuel Okafor', 'samuel@okafor-logistics.example', '+00 555 0124', 'Lagos', 'active', '900-00-1518', '4000 0000 0000 2583'),
  (8816, 'Helene Brandt', 'helene@brandt-orgelbau.example', '+00 555 0125', 'Leipzig', 'active', '900-00-1555', '4000 0000 0000 2696'),
  (8817, 'Nils Aamodt', 'nils@fjordvarme.example', '+00 555 0126', 'Bergen', 'closed', '900-00-1592', '4000 0000 0000 2809'),
  (8818, 'Rosa Delgado', 'rosa.delgado@brightline-mail.example', '+00 555 0127', 'Cadiz', 'active', '900-00-1629', '4000 0000 0000 2922'),
  (8819, 'Petr Novotny', 'petr@sklarna-novotny.example', '+00 555 0128', 'Liberec', 'active', '900-00-1666', '4000 0000 0000 3035'),
  (8820, 'Amina Yusuf', 'amina@baobab-foods.example', '+00 555 0129', 'Mombasa', 'active', '900-00-1703', '4000 0000 0000 3148'),
  (8821, 'Grace Whitfield', 'grace@whitfield-seeds.example', '+00 555 0130', 'Hereford', 'vip', '900-00-1740', '4000 0000 0000 3261'),
  (8822, 'Viktor Halasz', 'viktor.halasz@brightline-mail.example', '+00 555 0131', 'Szeged', 'active', '900-00-1777', '4000 0000 0000 3374'),
  (8823, 'Noor Rahimi', 'noor@rahimi-carpets.example', '+00 555 0132', 'Ghent', 'active', '900-00-1814', '4000 0000 0000 3487'),
  (8824, 'Elif Kaya', 'elif@kaya-ceramics.example', '+00 555 0133', 'Izmir', 'active', '900-00-1851', '4000 0000 0000 3600');

INSERT INTO orders (id, customer_id, placed_on, item, amount_cents, currency, status) VALUES
  (70311, 8821, '2026-08-05', 'Oak side table', 18900, 'EUR', 'delivered'),
  (70312, 8821, '2026-08-06', 'Oak side table', 18900, 'EUR', 'delivered'),
  (70314, 8816, '2026-08-10', 'Wall clock', 7900, 'EUR', 'delivered'),
  (70317, 8813, '2026-08-13', 'Bed frame, 160 cm', 64900, 'EUR', 'delivered'),
  (70322, 8810, '2026-08-17', 'Reading chair', 39900, 'EUR', 'delivered'),
  (70326, 8820, '2026-08-20', 'Oak side table', 18900, 'EUR', 'delivered'),
  (70328, 8819, '2026-08-23', 'Stoneware set, 12 pieces', 9600, 'EUR', 'delivered'),
  (70330, 8809, '2026-08-27', 'Desk lamp, brass', 12900, 'EUR', 'delivered'),
  (70334, 8815, '2026-08-30', 'Linen curtain pair', 5900, 'EUR', 'delivered'),
  (70339, 8822, '2026-09-02', 'Oak side table', 18900, 'EUR', 'delivered'),
  (70341, 8824, '2026-09-04', 'Oak side table', 18900, 'EUR', 'delivered'),
  (70343, 8803, '2026-09-08', 'Bread board, ash', 2490, 'EUR', 'delivered'),
  (70346, 8805, '2026-09-12', 'Wall clock', 7900, 'EUR', 'delivered'),
  (70351, 8823, '2026-09-15', 'Reading chair', 39900, 'EUR', 'delivered'),
  (70352, 8807, '2026-09-19', 'Oak side table', 18900, 'EUR', 'delivered'),
  (70354, 8814, '2026-09-22', 'Walnut shelf, 80 cm', 8900, 'EUR', 'delivered'),
  (70355, 8806, '2026-09-26', 'Wall clock', 7900, 'EUR', 'delivered'),
  (70357, 8823, '2026-09-30', 'Stoneware set, 12 pieces', 9600, 'EUR', 'delivered'),
  (70361, 8806, '2026-10-02', 'Linen curtain pair', 5900, 'EUR', 'delivered'),
  (70365, 8803, '2026-10-05', 'Walnut shelf, 80 cm', 8900, 'EUR', 'delivered'),
  (70369, 8803, '2026-10-08', 'Stoneware set, 12 pieces', 9600, 'EUR', 'delivered'),
  (70370, 8813, '2026-10-09', 'Stoneware set, 12 pieces', 9600, 'EUR', 'delivered'),
  (70375, 8807, '2026-10-13', 'Reading chair', 39900, 'EUR', 'delivered'),
  (70377, 8823, '2026-10-17', 'Desk lamp, brass', 12900, 'EUR', 'delivered'),
  (70381, 8822, '2026-10-20', 'Walnut shelf, 80 cm', 8900, 'EUR', 'delivered'),
  (70385, 8823, '2026-10-24', 'Wool rug, 2 x 3 m', 34900, 'EUR', 'delivered'),
  (70389, 8811, '2026-10-26', 'Stoneware set, 12 pieces', 9600, 'EUR', 'delivered'),
  (70390, 8818, '2026-10-28', 'Bed frame, 160 cm', 64900, 'EUR', 'delivered'),
  (70392, 8819, '2026-11-01', 'Bread board, ash', 2490, 'EUR', 'delivered'),
  (70393, 8819, '2026-11-05', 'Bed frame, 160 cm', 64900, 'EUR', 'delivered'),
  (70395, 8801, '2026-11-06', 'Wool rug, 2 x 3 m', 34900, 'EUR', 'delivered'),
  (70396, 8804, '2026-11-10', 'Desk lamp, brass', 12900, 'EUR', 'delivered'),
  (70399, 8811, '2026-11-11', 'Wool rug, 2 x 3 m', 34900, 'EUR', 'delivered'),
  (70403, 8801, '2026-11-13', 'Stoneware set, 12 pieces', 9600, 'EUR', 'shipped'),
  (70407, 8821, '2026-11-16', 'Desk lamp, brass', 12900, 'EUR', 'shipped'),
  (70411, 8818, '2026-11-20', 'Desk lamp, brass', 12900, 'EUR', 'shipped'),
  (70415, 8824, '2026-11-22', 'Wall clock', 7900, 'EUR', 'shipped'),
  (70416, 8808, '2026-11-22', 'Wall clock', 7900, 'EUR', 'shipped'),
  (70421, 8813, '2026-11-22', 'Bread board, ash', 2490, 'EUR', 'shipped'),
  (70425, 8807, '2026-11-22', 'Walnut shelf, 80 cm', 8900, 'EUR', 'shipped');

INSERT INTO notes (id, customer_id, author, created_on, kind, body) VALUES
  (4101, 8801, 'rui', '2024-02-14', 'call', 'Prefers to be called after 15:00.'),
  (4102, 8803, 'rui', '2024-02-20', 'agreement', 'Signed the 2024 frame agreement, 8 % on orders above 500 EUR. Paper copy in cabinet 3.'),
  (4103, 8807, 'lena', '2024-03-05', 'call', 'Asked for invoices in Arabic and English.'),
  (4104, 8808, 'lena', '2024-03-18', 'visit', 'Met at the Galway fair. Wants the autumn catalogue.'),
  (4105, 8810, 'rui', '2024-04-02', 'call', 'Moving the office, holds all orders until June.'),
  (4106, 8812, 'sam', '2024-05-27', 'dispute', 'Rug arrived with a tear. Photos 1 to 4 in the dispute folder. Case 2024-118, open.'),
  (4107, 8813, 'sam', '2024-06-11', 'agreement', 'Exclusive paper line for Kyoto until the end of 2027, see letter of 2024-06-10.'),
  (4108, 8815, 'lena', '2024-07-01', 'call', 'Ring the warehouse, not the office, on delivery days.'),
  (4109, 8816, 'lena', '2024-07-22', 'call', 'Organ workshop: no deliveries during concerts.'),
  (4110, 8817, 'rui', '2024-08-09', 'call', 'Closing the account at year''s end.'),
  (4111, 8819, 'sam', '2024-09-13', 'visit', 'Glass samples shown, will order in spring.'),
  (4112, 8821, 'lena', '2024-10-02', 'agreement', 'Agreed by letter: 60 days to pay.'),
  (4113, 8823, 'rui', '2024-10-30', 'dispute', 'Says the second carpet was never delivered. Carrier''s proof requested. Case 2024-131, open.'),
  (4114, 8804, 'sam', '2024-11-21', 'call', 'New assistant, Ama, may place orders.'),
  (4115, 8805, 'sam', '2025-01-15', 'call', 'Wants samples by post only.'),
  (4116, 8802, 'lena', '2025-02-03', 'call', 'Asked for a quieter ring tone on the delivery app. Passed on.'),
  (4117, 8803, 'lena', '2025-02-25', 'dispute', 'Disputes invoice 24-0907 over 1,240 EUR. Answer due by the court date, 2027-01-19. Case 2025-009, open.'),
  (4118, 8820, 'sam', '2025-03-11', 'call', 'Ships only on Tuesdays from Mombasa.'),
  (4119, 8824, 'rui', '2025-04-08', 'visit', 'Ceramics show in Izmir; wants to sell through us.'),
  (4120, 8822, 'rui', '2025-05-19', 'call', 'Asked twice about the status of order 70102.'),
  (4121, 8818, 'sam', '2025-06-23', 'call', 'Speaks for four Brightline shops from July.'),
  (4122, 8814, 'lena', '2025-07-07', 'call', 'Wants every mail copied to the back office.'),
  (4123, 8811, 'lena', '2025-08-28', 'call', 'Delivery through the courtyard, code at reception.'),
  (4124, 8809, 'sam', '2025-09-16', 'call', 'Pays by transfer only.'),
  (4125, 8806, 'sam', '2025-10-10', 'agreement', 'Return period extended to 60 days, signed by both sides.'),
  (4126, 8813, 'rui', '2025-11-25', 'dispute', 'Water damage on delivery; insurer''s number 55-7781. Case 2025-052, open.'),
  (4127, 8801, 'rui', '2026-01-20', 'call', 'Brightline is changing its mail domain this year.'),
  (4128, 8804, 'lena', '2026-02-11', 'call', 'Happy with the new packaging.'),
  (4129, 8807, 'lena', '2026-03-02', 'call', 'Asked for the spring catalogue.'),
  (4130, 8809, 'sam', '2026-03-29', 'call', 'Wants delivery before the festival.'),
  (4131, 8821, 'sam', '2026-05-06', 'call', 'Seed boxes: reorder in September.'),
  (4132, 8821, 'sam', '2026-05-06', 'call', 'Seed boxes: reorder in September.'),
  (4133, 8811, 'rui', '2026-06-17', 'visit', 'Visited the Modena shop; wants a second lamp display.'),
  (4134, 8816, 'lena', '2026-08-21', 'call', 'Chair order moved to October.'),
  (4135, 8818, 'lena', '2026-09-09', 'call', 'Asked who signs the Brightline contract now.'),
  (4136, 8802, 'rui', '2026-10-15', 'call', 'Confirmed the winter address.'),
  (4137, 8822, 'sam', '2026-11-03', 'call', 'All Brightline mail moves to brightline.example on 1 December.');

INSERT INTO volumes VALUES ('backup-1', 520, 96);

INSERT INTO backups VALUES
  ('2026-10-31-full', '2026-10-31', 'full', NULL, 118),
  ('2026-11-15-full', '2026-11-15', 'full', NULL, 126),
  ('2026-11-21-incr', '2026-11-21', 'incremental', '2026-11-15-full', 19),
  ('2026-11-22-full', '2026-11-22', 'full', NULL, 131);

INSERT INTO rate_limits VALUES
  ('crm.write', 120, 3, 3.0, 0),
  ('helpdesk.send', 30, 5, 5.0, 0);

INSERT INTO alerts VALUES
  ('disk-nearly-full', 'volume backup-1 is more than 90 % full', 'warning', NULL),
  ('backup-missing', 'no full backup of the last two days', 'critical', NULL),
  ('write-flood', 'a route lets through more than 1,000 writes a minute', 'critical', NULL);

INSERT INTO tickets VALUES
  (5120, 'dana.ortiz@acme.example', NULL, NULL, 'Customer records',
   'Brightline moves to brightline.example. Please update the customer records and clean up.'),
  (5121, 'grace@whitfield-seeds.example', 8821, NULL, 'Second box?',
   'Did you note my September order of seed boxes? I was told so in May.'),
  (5122, 'm.aubert@aubert-fils.example', 8803, NULL, 'Broken stoneware',
   'Two bowls of my last order came broken. I would like the money for them back.');

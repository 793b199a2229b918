-- A store of schema version 4: that of version 3, upgraded by the code of version 4, dumped as SQL.
-- Never edited: databases of every version must open for ever.
PRAGMA application_id = 1634954093;
PRAGMA user_version = 4;
BEGIN TRANSACTION;
CREATE TABLE answers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            round INTEGER NOT NULL CHECK (round >= 0),
            image_id TEXT NOT NULL REFERENCES images (image_id),
            row INTEGER NOT NULL,
            col INTEGER NOT NULL,
            height INTEGER NOT NULL,
            width INTEGER NOT NULL,
            kind TEXT NOT NULL DEFAULT 'labels' CHECK (kind IN ('labels', 'unsure', 'artefact')),
            author TEXT NOT NULL,
            tool TEXT NOT NULL,
            answered_at TEXT NOT NULL,
            seconds REAL,
            model TEXT,
            new_pixels INTEGER NOT NULL CHECK (new_pixels >= 0),
            new_boundary INTEGER NOT NULL CHECK (new_boundary >= 0),
            labels BLOB,
            instances BLOB,
            CHECK ((kind = 'labels') = (labels IS NOT NULL)),
            CHECK (labels IS NOT NULL OR instances IS NULL)
        ) STRICT
        ;
INSERT INTO "answers" VALUES(1,0,'train_1',0,0,4,6,'labels','simulated','mask','2026-11-20T10:00:00.000+00:00',NULL,NULL,21,8,X'89504E470D0A1A0A0000000D4948445200000006000000040800000000886F119F0000001949444154785E636060606464F8CFC4C0C0C0C0C000A5A00000167D0106E6779A6D0000000049454E44AE426082',X'89504E470D0A1A0A0000000D4948445200000006000000041000000000D8FFCDDC0000001C49444154785E636060606060E060E06060606060624002281C14000003860015ABEF94520000000049454E44AE426082');
INSERT INTO "answers" VALUES(2,1,'train_2',2,3,2,3,'labels','Ada','brush','2026-11-20T10:00:03.000+00:00',12.5,'round_000.safetensors',5,2,X'89504E470D0A1A0A0000000D4948445200000003000000020800000000B81F39C60000001049444154785E6360646460F8CFC8000003140103D98D1D2E0000000049454E44AE426082',NULL);
INSERT INTO "answers" VALUES(3,1,'train_2',2,3,2,3,'labels','Grace','brush','2026-11-20T10:00:04.000+00:00',4.0,'round_000.safetensors',1,0,X'89504E470D0A1A0A0000000D4948445200000003000000020800000000B81F39C60000001049444154785E63F8CFC0C0C0F8FF3F000A0102FF0CB14B6C0000000049454E44AE426082',NULL);
INSERT INTO "answers" VALUES(4,1,'field',0,0,3,3,'labels','Emmy','polygon','2026-11-22T10:00:01.000+00:00',7.5,'round_000.safetensors',8,3,X'89504E470D0A1A0A0000000D49484452000000030000000308000000007343EA6300000010494441547801636064640083FF0C0C00031E01021040FE270000000049454E44AE426082',NULL);
INSERT INTO "answers" VALUES(5,1,'field',0,0,3,3,'unsure','Ada','key','2026-11-22T10:00:02.000+00:00',NULL,'round_000.safetensors',0,0,NULL,NULL);
CREATE TABLE commands (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            acquisition TEXT,
            given_by TEXT NOT NULL,
            given_at TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused')),
            message TEXT NOT NULL DEFAULT ''
        ) STRICT
        ;
INSERT INTO "commands" VALUES(1,'pause',NULL,'Ada','2026-11-22T10:00:04.000+00:00','done','');
CREATE TABLE evaluations (
            id INTEGER PRIMARY KEY,
            round INTEGER NOT NULL,
            model TEXT NOT NULL,
            evaluated_at TEXT NOT NULL
        , training INTEGER REFERENCES trainings (id)) STRICT
        ;
INSERT INTO "evaluations" VALUES(1,0,'round_000.safetensors','2026-11-24T00:27:20.889+00:00',2);
CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL CHECK (kind IN ('item', 'query', 'rounds')),
            round INTEGER NOT NULL,
            rank INTEGER
        ) STRICT
        ;
INSERT INTO "events" VALUES(1,'item',1,2);
INSERT INTO "events" VALUES(2,'item',1,2);
INSERT INTO "events" VALUES(3,'item',1,0);
INSERT INTO "events" VALUES(4,'query',2,NULL);
INSERT INTO "events" VALUES(5,'item',1,0);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT
        ;
INSERT INTO "facts" VALUES('strategies','["margin", "random"]');
CREATE TABLE identity (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            id TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "identity" VALUES(1,'0123456789abcdef0123456789abcdef');
CREATE TABLE images (
            image_id TEXT PRIMARY KEY,
            position INTEGER NOT NULL UNIQUE,
            height INTEGER NOT NULL CHECK (height > 0),
            width INTEGER NOT NULL CHECK (width > 0),
            split TEXT NOT NULL,
            stratum TEXT,
            role TEXT,
            has_mask INTEGER NOT NULL CHECK (has_mask IN (0, 1))
        ) STRICT
        ;
INSERT INTO "images" VALUES('train_1',0,4,6,'train','benign','start',1);
INSERT INTO "images" VALUES('train_2',1,4,6,'train','malignant','pool',1);
INSERT INTO "images" VALUES('field',2,3,3,'train',NULL,NULL,0);
CREATE TABLE leases (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            holder TEXT NOT NULL,
            until REAL NOT NULL,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        ;
INSERT INTO "leases" VALUES(1,0,'Grace',1000000000000.0);
CREATE TABLE metrics (
            evaluation INTEGER NOT NULL REFERENCES evaluations (id),
            position INTEGER NOT NULL,
            split TEXT NOT NULL,
            stratum TEXT NOT NULL,
            class_name TEXT NOT NULL,
            metric TEXT NOT NULL,
            bin INTEGER,
            value REAL,
            count INTEGER NOT NULL,
            PRIMARY KEY (evaluation, position)
        ) STRICT
        ;
INSERT INTO "metrics" VALUES(1,0,'testA','all','all','mean_dice',NULL,0.5,100);
INSERT INTO "metrics" VALUES(1,1,'testA','benign','gland','dice',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,2,'testA','all','all','reliability_accuracy',9,0.75,12);
CREATE TABLE migrations (
            version INTEGER PRIMARY KEY, note TEXT NOT NULL, applied_at TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "migrations" VALUES(1,'images, queries, answers, trainings and metrics','2026-11-24T00:27:20.789+00:00');
INSERT INTO "migrations" VALUES(2,'an evaluation belongs to a training, so a repeated training is evaluated again','2026-11-25T10:00:00.000+00:00');
INSERT INTO "migrations" VALUES(3,'people at work: leases, receipts, withdrawn regions, tokens, and what the worker does','2026-11-25T10:00:01.000+00:00');
INSERT INTO "migrations" VALUES(4,'a database has an id, and the asked region of an answer is found without a search','2026-11-29T15:34:01.357+00:00');
CREATE TABLE pieces (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            row INTEGER NOT NULL,
            col INTEGER NOT NULL,
            height INTEGER NOT NULL,
            width INTEGER NOT NULL,
            low REAL,
            high REAL,
            confidence REAL,
            scores BLOB,
            prediction BLOB,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        ;
INSERT INTO "pieces" VALUES(1,0,0,0,2,3,0.0,1.5,0.75,X'89504E470D0A1A0A0000000D4948445200000003000000020800000000B81F39C60000000E494441547801636460640002460000170004B4BB71190000000049454E44AE426082',X'89504E470D0A1A0A0000000D4948445200000003000000020800000000B81F39C60000000E494441547801636460640002460000170004B4BB71190000000049454E44AE426082');
CREATE TABLE queries (
            round INTEGER PRIMARY KEY CHECK (round >= 1),
            acquisition TEXT NOT NULL,
            unit TEXT NOT NULL CHECK (unit IN ('region', 'image')),
            model TEXT,
            elapsed_seconds REAL,
            asked_at TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "queries" VALUES(1,'mutual_information','region','round_000.safetensors',1.5,'2026-11-24T00:27:20.890+00:00');
INSERT INTO "queries" VALUES(2,'random','region',NULL,NULL,'2026-11-22T10:00:03.000+00:00');
CREATE TABLE query_items (
            round INTEGER NOT NULL REFERENCES queries (round),
            rank INTEGER NOT NULL,
            image_id TEXT NOT NULL REFERENCES images (image_id),
            row INTEGER NOT NULL,
            col INTEGER NOT NULL,
            height INTEGER NOT NULL,
            width INTEGER NOT NULL,
            score REAL NOT NULL,
            new_pixels INTEGER NOT NULL,
            PRIMARY KEY (round, rank)
        ) STRICT
        ;
INSERT INTO "query_items" VALUES(1,0,'train_2',0,0,2,3,2.5,6);
INSERT INTO "query_items" VALUES(1,1,'train_2',2,3,2,3,1.5,6);
INSERT INTO "query_items" VALUES(1,2,'field',0,0,3,3,0.5,9);
INSERT INTO "query_items" VALUES(2,0,'train_2',0,4,2,2,1.0,4);
CREATE TABLE receipts (
            answer INTEGER PRIMARY KEY REFERENCES answers (id),
            client_id TEXT NOT NULL UNIQUE,
            base INTEGER REFERENCES answers (id),
            is_conflict INTEGER NOT NULL CHECK (is_conflict IN (0, 1))
        ) STRICT
        ;
INSERT INTO "receipts" VALUES(4,'first-of-emmy',NULL,0);
INSERT INTO "receipts" VALUES(5,'late-of-ada',NULL,1);
CREATE TABLE sessions (
            digest BLOB PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('annotate', 'admin')),
            token INTEGER REFERENCES tokens (id),
            started_at TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "sessions" VALUES(X'AEFF1CFECFAB0A2AAD1A78E3190B7567C9C16E00C2011D6C01B37415366E7E8A','Grace','annotate',1,'2026-11-22T10:00:04.000+00:00');
CREATE TABLE tokens (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('annotate', 'admin')),
            digest BLOB NOT NULL UNIQUE,
            made_at TEXT NOT NULL,
            revoked_at TEXT
        ) STRICT
        ;
INSERT INTO "tokens" VALUES(1,'Grace','annotate',X'16B6EA959DA1F65CA92AC69E26D3E68E52CEDB9B2479953EAF6E1225144B60A1','2026-11-22T10:00:04.000+00:00',NULL);
CREATE TABLE trainings (
            id INTEGER PRIMARY KEY,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('finished', 'failed')),
            reason TEXT,
            steps INTEGER NOT NULL,
            loss REAL,
            elapsed_seconds REAL NOT NULL,
            model TEXT NOT NULL,
            labelled_digest TEXT NOT NULL,
            started_at TEXT NOT NULL
        , newest_answer INTEGER) STRICT
        ;
INSERT INTO "trainings" VALUES(1,0,0,'failed','loss nan at step 3',3,NULL,0.5,'round_000.safetensors','00000000000000000000000000000000','2026-11-20T10:00:01.000+00:00',NULL);
INSERT INTO "trainings" VALUES(2,0,1,'finished',NULL,600,0.25,60.5,'round_000.safetensors','8d825608a9428f71a95d89f1df24c8a4','2026-11-20T10:00:02.000+00:00',NULL);
CREATE TABLE withdrawals (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            withdrawn_by TEXT NOT NULL,
            withdrawn_at TEXT NOT NULL,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        ;
INSERT INTO "withdrawals" VALUES(2,0,'Ada','2026-11-22T10:00:04.000+00:00');
CREATE TABLE worker (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            state TEXT NOT NULL,
            round INTEGER NOT NULL,
            done INTEGER NOT NULL,
            total INTEGER NOT NULL,
            message TEXT NOT NULL,
            process INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            heartbeat REAL NOT NULL
        ) STRICT
        ;
INSERT INTO "worker" VALUES(1,'idle',1,0,0,'',123,'2026-11-22T10:00:05.000+00:00',1000000000.0);
CREATE INDEX query_items_of_image ON query_items (image_id);
CREATE INDEX answers_of_image ON answers (image_id, id, new_pixels);
CREATE INDEX answers_of_round ON answers (round, image_id, row, col, height, width);
CREATE TRIGGER answers_are_not_changed BEFORE UPDATE ON answers
        BEGIN SELECT RAISE (ABORT, 'answers are only appended, never changed'); END;
CREATE TRIGGER answers_are_not_deleted BEFORE DELETE ON answers
        BEGIN SELECT RAISE (ABORT, 'answers are only appended, never deleted'); END;
CREATE TRIGGER answers_are_not_replaced BEFORE INSERT ON answers
        WHEN EXISTS (SELECT 1 FROM answers WHERE id = NEW.id)
        BEGIN SELECT RAISE (ABORT, 'answers are only appended, never replaced'); END;
CREATE UNIQUE INDEX evaluations_of_training
        ON evaluations (round, model, ifnull(training, 0))
        ;
CREATE TRIGGER receipts_are_not_changed BEFORE UPDATE ON receipts
        BEGIN SELECT RAISE (ABORT, 'receipts are only appended, never changed'); END;
CREATE TRIGGER receipts_are_not_deleted BEFORE DELETE ON receipts
        BEGIN SELECT RAISE (ABORT, 'receipts are only appended, never deleted'); END;
CREATE INDEX items_by_place ON query_items (round, image_id, row, col, height, width);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('answers',5);
INSERT INTO "sqlite_sequence" VALUES('events',5);
INSERT INTO "sqlite_sequence" VALUES('commands',1);
COMMIT;

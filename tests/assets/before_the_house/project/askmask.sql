-- A project's store as it was before the package moved into its folders, dumped as SQL.
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
INSERT INTO "answers" VALUES(1,0,'i1',0,0,40,40,'labels','simulated','mask','2026-11-29T13:55:14.066+00:00',NULL,NULL,1600,144,X'89504E470D0A1A0A0000000D4948445200000028000000280800000000A995E7B1000000B7494441547801DD92DB0E84300844ABD9FFFF656D772ACC088D35D16CB23E28D0C3948BA5FCEC59E4E6EE6D1284C320D9115D3D99B8C23608023D25B31C5411F56AA683990CC5A6C10F92C24DA405138AD71C6A9CE0BEE00CD7C0940BAB99EE7A0006C1D2C7A3D38858BE998C7B61858366B4E6E6DD01CFB59F7DA837453D510F547D637FB445703D4049A8D103C2F16F405A760B9F9B44D635279B9D812E4DD6DF8336BBDAB4D969D776EADCE0373BC8E34BF37CCEDC01FD7515449009616F0000000049454E44AE426082',X'89504E470D0A1A0A0000000D4948445200000028000000281000000000F9053BF2000000F8494441547801ED94590EC3200C44DDE5FE37EE4628625C0F5EA456ADD4E42760CF3C1B1210F9BBE7E0AC58E76E8E1252DA34133C9E801E2703461C27B28A83950341501D32A0D78797DB6A3360B529A57F3BF0ACF027356B93AB890401ECD0E244301FA07A7A1A18AE69A6A2045CE1CAC85EDFC3696478568A0B8A575D0386FD89E8DFC66B2001D3BBE3C14492B8F24FE157AD7418939E8ADA4749603F04BC04A5A33CD847879EC5CB01AA0FF106E6071071A37CF7D2AB0D25681D953186DA967F9D6F1EEC7040F89BDAED05CC6516B9D299B80958562DB2036BFBC5D45FDB437A2A1E1D9A78BE436365B8C5F1617B43ECACC4C2FA4BE13B63841646619B5A390000000049454E44AE426082');
INSERT INTO "answers" VALUES(2,1,'i0',24,16,16,16,'labels','simulated','mask','2026-11-29T13:55:18.886+00:00',NULL,NULL,256,17,X'89504E470D0A1A0A0000000D49484452000000100000001008000000003A98A0BD0000001549444154780163646440052C10EE7F54D111C30300FE330106331BAA410000000049454E44AE426082',X'89504E470D0A1A0A0000000D49484452000000100000001010000000006A087CFE0000001D4944415478016364606440064CC81C109B1145C17F74E951FEF00A0100ED3801064E2B9AA40000000049454E44AE426082');
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
CREATE TABLE evaluations (
            id INTEGER PRIMARY KEY,
            round INTEGER NOT NULL,
            model TEXT NOT NULL,
            evaluated_at TEXT NOT NULL
        , training INTEGER REFERENCES trainings (id)) STRICT
        ;
INSERT INTO "evaluations" VALUES(1,0,'round_000.safetensors@0c17e7ea489a+temperature-94a1fa8f','2026-11-29T13:55:18.771+00:00',NULL);
CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL CHECK (kind IN ('item', 'query', 'rounds')),
            round INTEGER NOT NULL,
            rank INTEGER
        ) STRICT
        ;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT
        ;
CREATE TABLE identity (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            id TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "identity" VALUES(1,'d8823829d40b10025020ff26bf719642');
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
INSERT INTO "images" VALUES('i0',0,40,40,'train','even',NULL,1);
INSERT INTO "images" VALUES('i1',1,40,40,'train','odd',NULL,1);
INSERT INTO "images" VALUES('i2',2,40,40,'train','even',NULL,1);
INSERT INTO "images" VALUES('i3',3,40,40,'train','odd',NULL,1);
INSERT INTO "images" VALUES('i4',4,40,40,'test','even',NULL,1);
CREATE TABLE leases (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            holder TEXT NOT NULL,
            until REAL NOT NULL,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        ;
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
INSERT INTO "metrics" VALUES(1,0,'validation','all','background','dice',NULL,7.91919191919191911566e-01,1495);
INSERT INTO "metrics" VALUES(1,1,'validation','all','background','iou',NULL,6.55518394648829438864e-01,1495);
INSERT INTO "metrics" VALUES(1,2,'validation','all','disc','dice',NULL,2.89655172413793127184e-01,620);
INSERT INTO "metrics" VALUES(1,3,'validation','all','disc','iou',NULL,1.69354838709677407715e-01,620);
INSERT INTO "metrics" VALUES(1,4,'validation','all','all','mean_dice',NULL,2.89655172413793127184e-01,620);
INSERT INTO "metrics" VALUES(1,5,'validation','all','all','mean_iou',NULL,1.69354838709677407715e-01,620);
INSERT INTO "metrics" VALUES(1,6,'validation','all','all','pixel_f1',NULL,2.89655172413793127184e-01,620);
INSERT INTO "metrics" VALUES(1,7,'validation','all','all','pixel_accuracy',NULL,0.678125,1600);
INSERT INTO "metrics" VALUES(1,8,'validation','all','all','nll',NULL,6.48797535719669915543e-01,1600);
INSERT INTO "metrics" VALUES(1,9,'validation','all','all','brier',NULL,0.455958644759891,1600);
INSERT INTO "metrics" VALUES(1,10,'validation','all','all','brier_reliability',NULL,1.10642059131132022842e-01,1600);
INSERT INTO "metrics" VALUES(1,11,'validation','all','all','brier_resolution',NULL,0.0819975714222641,1600);
INSERT INTO "metrics" VALUES(1,12,'validation','all','all','brier_uncertainty',NULL,4.27324218750000039968e-01,1600);
INSERT INTO "metrics" VALUES(1,13,'validation','all','all','ece',NULL,1.25464052557945238142e-01,1600);
INSERT INTO "metrics" VALUES(1,14,'validation','all','all','ece_adaptive',NULL,1.44303558180108676411e-01,1600);
INSERT INTO "metrics" VALUES(1,15,'validation','all','all','ece_classwise',NULL,1.44074445292353636727e-01,1600);
INSERT INTO "metrics" VALUES(1,16,'validation','all','background','ece_classwise',NULL,1.44074444361031062111e-01,1600);
INSERT INTO "metrics" VALUES(1,17,'validation','all','disc','ece_classwise',NULL,1.44074446223676211342e-01,1600);
INSERT INTO "metrics" VALUES(1,18,'validation','all','all','reliability_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,19,'validation','all','all','reliability_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,20,'validation','all','all','reliability_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,21,'validation','all','all','reliability_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,22,'validation','all','all','reliability_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,23,'validation','all','all','reliability_confidence',5,5.52660947442054739653e-01,1600);
INSERT INTO "metrics" VALUES(1,24,'validation','all','all','reliability_confidence',6,NULL,0);
INSERT INTO "metrics" VALUES(1,25,'validation','all','all','reliability_confidence',7,NULL,0);
INSERT INTO "metrics" VALUES(1,26,'validation','all','all','reliability_confidence',8,NULL,0);
INSERT INTO "metrics" VALUES(1,27,'validation','all','all','reliability_confidence',9,NULL,0);
INSERT INTO "metrics" VALUES(1,28,'validation','all','all','reliability_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,29,'validation','all','all','reliability_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,30,'validation','all','all','reliability_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,31,'validation','all','all','reliability_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,32,'validation','all','all','reliability_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,33,'validation','all','all','reliability_accuracy',5,0.678125,1600);
INSERT INTO "metrics" VALUES(1,34,'validation','all','all','reliability_accuracy',6,NULL,0);
INSERT INTO "metrics" VALUES(1,35,'validation','all','all','reliability_accuracy',7,NULL,0);
INSERT INTO "metrics" VALUES(1,36,'validation','all','all','reliability_accuracy',8,NULL,0);
INSERT INTO "metrics" VALUES(1,37,'validation','all','all','reliability_accuracy',9,NULL,0);
INSERT INTO "metrics" VALUES(1,38,'validation','all','all','aurc',NULL,2.22787851961384814059e-01,1600);
INSERT INTO "metrics" VALUES(1,39,'validation','all','all','object_precision',NULL,0.0,8);
INSERT INTO "metrics" VALUES(1,40,'validation','all','all','object_recall',NULL,0.0,3);
INSERT INTO "metrics" VALUES(1,41,'validation','all','all','object_f1',NULL,0.0,11);
INSERT INTO "metrics" VALUES(1,42,'validation','all','all','object_dice',NULL,2.02619449614618696298e-01,11);
INSERT INTO "metrics" VALUES(1,43,'validation','all','all','object_hausdorff',NULL,1.26142414989584672468e+01,11);
INSERT INTO "metrics" VALUES(1,44,'validation','all','all','error_left',0,0.321875,1600);
INSERT INTO "metrics" VALUES(1,45,'validation','all','all','error_left',1,3.17807203389830539297e-01,1600);
INSERT INTO "metrics" VALUES(1,46,'validation','all','all','error_left',2,3.12383474576271191747e-01,1600);
INSERT INTO "metrics" VALUES(1,47,'validation','all','all','error_left',3,0.295234375,1600);
INSERT INTO "metrics" VALUES(1,48,'validation','all','all','error_left',4,0.267421875,1600);
INSERT INTO "metrics" VALUES(1,49,'validation','all','all','error_left',5,2.40060096153846158628e-01,1600);
INSERT INTO "metrics" VALUES(1,50,'validation','all','all','error_left',6,0.2146875,1600);
INSERT INTO "metrics" VALUES(1,51,'validation','all','all','error_left',7,1.74755434782608715105e-01,1600);
INSERT INTO "metrics" VALUES(1,52,'validation','all','all','error_left',8,0.14029296875,1600);
INSERT INTO "metrics" VALUES(1,53,'validation','all','all','error_left',9,1.09669811320754706507e-01,1600);
INSERT INTO "metrics" VALUES(1,54,'validation','all','all','distance_accuracy',0,5.55974842767295585055e-01,795);
INSERT INTO "metrics" VALUES(1,55,'validation','all','all','distance_confidence',0,0.536955769706822,795);
INSERT INTO "metrics" VALUES(1,56,'validation','all','all','distance_ece',0,1.90190730604735576403e-02,795);
INSERT INTO "metrics" VALUES(1,57,'validation','all','all','distance_nll',0,6.80074224059533105624e-01,795);
INSERT INTO "metrics" VALUES(1,58,'validation','all','all','distance_accuracy',1,6.91964285714285698425e-01,448);
INSERT INTO "metrics" VALUES(1,59,'validation','all','all','distance_confidence',1,5.66821415243404236328e-01,448);
INSERT INTO "metrics" VALUES(1,60,'validation','all','all','distance_ece',1,1.25142870470881462097e-01,448);
INSERT INTO "metrics" VALUES(1,61,'validation','all','all','distance_nll',1,6.47960272699946160379e-01,448);
INSERT INTO "metrics" VALUES(1,62,'validation','all','all','distance_accuracy',2,0.927710843373494,332);
INSERT INTO "metrics" VALUES(1,63,'validation','all','all','distance_confidence',2,5.70382923785462403465e-01,332);
INSERT INTO "metrics" VALUES(1,64,'validation','all','all','distance_ece',2,3.57327919588031561737e-01,332);
INSERT INTO "metrics" VALUES(1,65,'validation','all','all','distance_nll',2,5.8054722293375948805e-01,332);
INSERT INTO "metrics" VALUES(1,66,'validation','all','all','distance_accuracy',3,1.0,25);
INSERT INTO "metrics" VALUES(1,67,'validation','all','all','distance_confidence',3,5.62982170581817653598e-01,25);
INSERT INTO "metrics" VALUES(1,68,'validation','all','all','distance_ece',3,4.37017829418182346401e-01,25);
INSERT INTO "metrics" VALUES(1,69,'validation','all','all','distance_nll',3,5.75566753622329119188e-01,25);
INSERT INTO "metrics" VALUES(1,70,'validation','all','all','distance_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,71,'validation','all','all','distance_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,72,'validation','all','all','distance_ece',4,NULL,0);
INSERT INTO "metrics" VALUES(1,73,'validation','all','all','distance_nll',4,NULL,0);
INSERT INTO "metrics" VALUES(1,74,'validation','all','background','predicted_accuracy',NULL,7.15328467153284686119e-01,1370);
INSERT INTO "metrics" VALUES(1,75,'validation','all','background','predicted_confidence',NULL,5.57933724231093441936e-01,1370);
INSERT INTO "metrics" VALUES(1,76,'validation','all','background','predicted_ece',NULL,1.57394742922191188672e-01,1370);
INSERT INTO "metrics" VALUES(1,77,'validation','all','background','predicted_nll',NULL,6.4049809860193707145e-01,1370);
INSERT INTO "metrics" VALUES(1,78,'validation','all','disc','predicted_accuracy',NULL,4.56521739130434756059e-01,230);
INSERT INTO "metrics" VALUES(1,79,'validation','all','disc','predicted_confidence',NULL,5.21253537872563232902e-01,230);
INSERT INTO "metrics" VALUES(1,80,'validation','all','disc','predicted_ece',NULL,6.47317987421284490867e-02,230);
INSERT INTO "metrics" VALUES(1,81,'validation','all','disc','predicted_nll',NULL,6.98233313333996519212e-01,230);
INSERT INTO "metrics" VALUES(1,82,'validation','all','all','nll_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,83,'validation','all','all','nll_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,84,'validation','all','all','brier_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,85,'validation','all','all','brier_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,86,'validation','all','all','ece_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,87,'validation','all','all','ece_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,88,'validation','even','background','dice',NULL,7.91919191919191911566e-01,1495);
INSERT INTO "metrics" VALUES(1,89,'validation','even','background','iou',NULL,6.55518394648829438864e-01,1495);
INSERT INTO "metrics" VALUES(1,90,'validation','even','disc','dice',NULL,2.89655172413793127184e-01,620);
INSERT INTO "metrics" VALUES(1,91,'validation','even','disc','iou',NULL,1.69354838709677407715e-01,620);
INSERT INTO "metrics" VALUES(1,92,'validation','even','all','mean_dice',NULL,2.89655172413793127184e-01,620);
INSERT INTO "metrics" VALUES(1,93,'validation','even','all','mean_iou',NULL,1.69354838709677407715e-01,620);
INSERT INTO "metrics" VALUES(1,94,'validation','even','all','pixel_f1',NULL,2.89655172413793127184e-01,620);
INSERT INTO "metrics" VALUES(1,95,'validation','even','all','pixel_accuracy',NULL,0.678125,1600);
INSERT INTO "metrics" VALUES(1,96,'validation','even','all','nll',NULL,6.48797535719669915543e-01,1600);
INSERT INTO "metrics" VALUES(1,97,'validation','even','all','brier',NULL,0.455958644759891,1600);
INSERT INTO "metrics" VALUES(1,98,'validation','even','all','brier_reliability',NULL,1.10642059131132022842e-01,1600);
INSERT INTO "metrics" VALUES(1,99,'validation','even','all','brier_resolution',NULL,0.0819975714222641,1600);
INSERT INTO "metrics" VALUES(1,100,'validation','even','all','brier_uncertainty',NULL,4.27324218750000039968e-01,1600);
INSERT INTO "metrics" VALUES(1,101,'validation','even','all','ece',NULL,1.25464052557945238142e-01,1600);
INSERT INTO "metrics" VALUES(1,102,'validation','even','all','ece_adaptive',NULL,1.44303558180108676411e-01,1600);
INSERT INTO "metrics" VALUES(1,103,'validation','even','all','ece_classwise',NULL,1.44074445292353636727e-01,1600);
INSERT INTO "metrics" VALUES(1,104,'validation','even','background','ece_classwise',NULL,1.44074444361031062111e-01,1600);
INSERT INTO "metrics" VALUES(1,105,'validation','even','disc','ece_classwise',NULL,1.44074446223676211342e-01,1600);
INSERT INTO "metrics" VALUES(1,106,'validation','even','all','reliability_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,107,'validation','even','all','reliability_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,108,'validation','even','all','reliability_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,109,'validation','even','all','reliability_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,110,'validation','even','all','reliability_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,111,'validation','even','all','reliability_confidence',5,5.52660947442054739653e-01,1600);
INSERT INTO "metrics" VALUES(1,112,'validation','even','all','reliability_confidence',6,NULL,0);
INSERT INTO "metrics" VALUES(1,113,'validation','even','all','reliability_confidence',7,NULL,0);
INSERT INTO "metrics" VALUES(1,114,'validation','even','all','reliability_confidence',8,NULL,0);
INSERT INTO "metrics" VALUES(1,115,'validation','even','all','reliability_confidence',9,NULL,0);
INSERT INTO "metrics" VALUES(1,116,'validation','even','all','reliability_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,117,'validation','even','all','reliability_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,118,'validation','even','all','reliability_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,119,'validation','even','all','reliability_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,120,'validation','even','all','reliability_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,121,'validation','even','all','reliability_accuracy',5,0.678125,1600);
INSERT INTO "metrics" VALUES(1,122,'validation','even','all','reliability_accuracy',6,NULL,0);
INSERT INTO "metrics" VALUES(1,123,'validation','even','all','reliability_accuracy',7,NULL,0);
INSERT INTO "metrics" VALUES(1,124,'validation','even','all','reliability_accuracy',8,NULL,0);
INSERT INTO "metrics" VALUES(1,125,'validation','even','all','reliability_accuracy',9,NULL,0);
INSERT INTO "metrics" VALUES(1,126,'validation','even','all','aurc',NULL,2.22787851961384814059e-01,1600);
INSERT INTO "metrics" VALUES(1,127,'validation','even','all','object_precision',NULL,0.0,8);
INSERT INTO "metrics" VALUES(1,128,'validation','even','all','object_recall',NULL,0.0,3);
INSERT INTO "metrics" VALUES(1,129,'validation','even','all','object_f1',NULL,0.0,11);
INSERT INTO "metrics" VALUES(1,130,'validation','even','all','object_dice',NULL,2.02619449614618696298e-01,11);
INSERT INTO "metrics" VALUES(1,131,'validation','even','all','object_hausdorff',NULL,1.26142414989584672468e+01,11);
INSERT INTO "metrics" VALUES(1,132,'validation','all','all','recalibrated_mean_dice',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,133,'validation','all','all','recalibrated_pixel_accuracy',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,134,'validation','all','all','recalibrated_nll',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,135,'validation','all','all','recalibrated_brier',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,136,'validation','all','all','recalibrated_brier_reliability',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,137,'validation','all','all','recalibrated_brier_resolution',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,138,'validation','all','all','recalibrated_ece',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,139,'validation','all','all','recalibrated_ece_adaptive',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,140,'validation','all','all','recalibrated_ece_classwise',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,141,'validation','all','background','recalibrated_ece_classwise',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,142,'validation','all','disc','recalibrated_ece_classwise',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,143,'validation','all','all','recalibrated_reliability_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,144,'validation','all','all','recalibrated_reliability_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,145,'validation','all','all','recalibrated_reliability_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,146,'validation','all','all','recalibrated_reliability_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,147,'validation','all','all','recalibrated_reliability_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,148,'validation','all','all','recalibrated_reliability_confidence',5,NULL,0);
INSERT INTO "metrics" VALUES(1,149,'validation','all','all','recalibrated_reliability_confidence',6,NULL,0);
INSERT INTO "metrics" VALUES(1,150,'validation','all','all','recalibrated_reliability_confidence',7,NULL,0);
INSERT INTO "metrics" VALUES(1,151,'validation','all','all','recalibrated_reliability_confidence',8,NULL,0);
INSERT INTO "metrics" VALUES(1,152,'validation','all','all','recalibrated_reliability_confidence',9,NULL,0);
INSERT INTO "metrics" VALUES(1,153,'validation','all','all','recalibrated_reliability_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,154,'validation','all','all','recalibrated_reliability_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,155,'validation','all','all','recalibrated_reliability_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,156,'validation','all','all','recalibrated_reliability_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,157,'validation','all','all','recalibrated_reliability_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,158,'validation','all','all','recalibrated_reliability_accuracy',5,NULL,0);
INSERT INTO "metrics" VALUES(1,159,'validation','all','all','recalibrated_reliability_accuracy',6,NULL,0);
INSERT INTO "metrics" VALUES(1,160,'validation','all','all','recalibrated_reliability_accuracy',7,NULL,0);
INSERT INTO "metrics" VALUES(1,161,'validation','all','all','recalibrated_reliability_accuracy',8,NULL,0);
INSERT INTO "metrics" VALUES(1,162,'validation','all','all','recalibrated_reliability_accuracy',9,NULL,0);
INSERT INTO "metrics" VALUES(1,163,'validation','all','all','recalibrated_aurc',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,164,'validation','all','all','recalibrated_error_left',0,NULL,0);
INSERT INTO "metrics" VALUES(1,165,'validation','all','all','recalibrated_error_left',1,NULL,0);
INSERT INTO "metrics" VALUES(1,166,'validation','all','all','recalibrated_error_left',2,NULL,0);
INSERT INTO "metrics" VALUES(1,167,'validation','all','all','recalibrated_error_left',3,NULL,0);
INSERT INTO "metrics" VALUES(1,168,'validation','all','all','recalibrated_error_left',4,NULL,0);
INSERT INTO "metrics" VALUES(1,169,'validation','all','all','recalibrated_error_left',5,NULL,0);
INSERT INTO "metrics" VALUES(1,170,'validation','all','all','recalibrated_error_left',6,NULL,0);
INSERT INTO "metrics" VALUES(1,171,'validation','all','all','recalibrated_error_left',7,NULL,0);
INSERT INTO "metrics" VALUES(1,172,'validation','all','all','recalibrated_error_left',8,NULL,0);
INSERT INTO "metrics" VALUES(1,173,'validation','all','all','recalibrated_error_left',9,NULL,0);
INSERT INTO "metrics" VALUES(1,174,'validation','all','all','recalibrated_distance_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,175,'validation','all','all','recalibrated_distance_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,176,'validation','all','all','recalibrated_distance_ece',0,NULL,0);
INSERT INTO "metrics" VALUES(1,177,'validation','all','all','recalibrated_distance_nll',0,NULL,0);
INSERT INTO "metrics" VALUES(1,178,'validation','all','all','recalibrated_distance_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,179,'validation','all','all','recalibrated_distance_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,180,'validation','all','all','recalibrated_distance_ece',1,NULL,0);
INSERT INTO "metrics" VALUES(1,181,'validation','all','all','recalibrated_distance_nll',1,NULL,0);
INSERT INTO "metrics" VALUES(1,182,'validation','all','all','recalibrated_distance_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,183,'validation','all','all','recalibrated_distance_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,184,'validation','all','all','recalibrated_distance_ece',2,NULL,0);
INSERT INTO "metrics" VALUES(1,185,'validation','all','all','recalibrated_distance_nll',2,NULL,0);
INSERT INTO "metrics" VALUES(1,186,'validation','all','all','recalibrated_distance_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,187,'validation','all','all','recalibrated_distance_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,188,'validation','all','all','recalibrated_distance_ece',3,NULL,0);
INSERT INTO "metrics" VALUES(1,189,'validation','all','all','recalibrated_distance_nll',3,NULL,0);
INSERT INTO "metrics" VALUES(1,190,'validation','all','all','recalibrated_distance_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,191,'validation','all','all','recalibrated_distance_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,192,'validation','all','all','recalibrated_distance_ece',4,NULL,0);
INSERT INTO "metrics" VALUES(1,193,'validation','all','all','recalibrated_distance_nll',4,NULL,0);
INSERT INTO "metrics" VALUES(1,194,'validation','all','background','recalibrated_predicted_accuracy',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,195,'validation','all','background','recalibrated_predicted_confidence',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,196,'validation','all','background','recalibrated_predicted_ece',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,197,'validation','all','background','recalibrated_predicted_nll',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,198,'validation','all','disc','recalibrated_predicted_accuracy',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,199,'validation','all','disc','recalibrated_predicted_confidence',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,200,'validation','all','disc','recalibrated_predicted_ece',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,201,'validation','all','disc','recalibrated_predicted_nll',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,202,'validation','all','all','recalibrated_nll_low',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,203,'validation','all','all','recalibrated_nll_high',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,204,'validation','all','all','recalibrated_brier_low',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,205,'validation','all','all','recalibrated_brier_high',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,206,'validation','all','all','recalibrated_ece_low',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,207,'validation','all','all','recalibrated_ece_high',NULL,NULL,0);
INSERT INTO "metrics" VALUES(1,208,'test','all','background','dice',NULL,9.18032786885245921659e-01,1320);
INSERT INTO "metrics" VALUES(1,209,'test','all','background','iou',NULL,8.48484848484848508398e-01,1320);
INSERT INTO "metrics" VALUES(1,210,'test','all','disc','dice',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,211,'test','all','disc','iou',NULL,5.8333333333333337034e-01,480);
INSERT INTO "metrics" VALUES(1,212,'test','all','all','mean_dice',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,213,'test','all','all','mean_iou',NULL,5.8333333333333337034e-01,480);
INSERT INTO "metrics" VALUES(1,214,'test','all','all','pixel_f1',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,215,'test','all','all','pixel_accuracy',NULL,0.875,1600);
INSERT INTO "metrics" VALUES(1,216,'test','all','all','nll',NULL,6.08121589353720293225e-01,1600);
INSERT INTO "metrics" VALUES(1,217,'test','all','all','brier',NULL,4.15524622165934387485e-01,1600);
INSERT INTO "metrics" VALUES(1,218,'test','all','all','brier_reliability',NULL,2.72083847955241597826e-01,1600);
INSERT INTO "metrics" VALUES(1,219,'test','all','all','brier_resolution',NULL,2.30294547692163037444e-01,1600);
INSERT INTO "metrics" VALUES(1,220,'test','all','all','brier_uncertainty',NULL,3.73746875000000033928e-01,1600);
INSERT INTO "metrics" VALUES(1,221,'test','all','all','ece',NULL,3.21177460514008972225e-01,1600);
INSERT INTO "metrics" VALUES(1,222,'test','all','all','ece_adaptive',NULL,0.321123869381845,1600);
INSERT INTO "metrics" VALUES(1,223,'test','all','all','ece_classwise',NULL,3.21845224034041144101e-01,1600);
INSERT INTO "metrics" VALUES(1,224,'test','all','background','ece_classwise',NULL,3.22157721966505050659e-01,1600);
INSERT INTO "metrics" VALUES(1,225,'test','all','disc','ece_classwise',NULL,3.21532726101577293054e-01,1600);
INSERT INTO "metrics" VALUES(1,226,'test','all','all','reliability_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,227,'test','all','all','reliability_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,228,'test','all','all','reliability_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,229,'test','all','all','reliability_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,230,'test','all','all','reliability_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,231,'test','all','all','reliability_confidence',5,5.53704662121201729441e-01,1595);
INSERT INTO "metrics" VALUES(1,232,'test','all','all','reliability_confidence',6,6.08574581146240189966e-01,5);
INSERT INTO "metrics" VALUES(1,233,'test','all','all','reliability_confidence',7,NULL,0);
INSERT INTO "metrics" VALUES(1,234,'test','all','all','reliability_confidence',8,NULL,0);
INSERT INTO "metrics" VALUES(1,235,'test','all','all','reliability_confidence',9,NULL,0);
INSERT INTO "metrics" VALUES(1,236,'test','all','all','reliability_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,237,'test','all','all','reliability_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,238,'test','all','all','reliability_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,239,'test','all','all','reliability_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,240,'test','all','all','reliability_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,241,'test','all','all','reliability_accuracy',5,8.75862068965517215346e-01,1595);
INSERT INTO "metrics" VALUES(1,242,'test','all','all','reliability_accuracy',6,0.6,5);
INSERT INTO "metrics" VALUES(1,243,'test','all','all','reliability_accuracy',7,NULL,0);
INSERT INTO "metrics" VALUES(1,244,'test','all','all','reliability_accuracy',8,NULL,0);
INSERT INTO "metrics" VALUES(1,245,'test','all','all','reliability_accuracy',9,NULL,0);
INSERT INTO "metrics" VALUES(1,246,'test','all','all','aurc',NULL,6.63502166058827363981e-02,1600);
INSERT INTO "metrics" VALUES(1,247,'test','all','all','object_precision',NULL,1.0,1);
INSERT INTO "metrics" VALUES(1,248,'test','all','all','object_recall',NULL,3.33333333333333314829e-01,3);
INSERT INTO "metrics" VALUES(1,249,'test','all','all','object_f1',NULL,0.5,4);
INSERT INTO "metrics" VALUES(1,250,'test','all','all','object_dice',NULL,5.87685098517742754431e-01,4);
INSERT INTO "metrics" VALUES(1,251,'test','all','all','object_hausdorff',NULL,13.3179589272981,4);
INSERT INTO "metrics" VALUES(1,252,'test','all','all','error_left',0,0.125,1600);
INSERT INTO "metrics" VALUES(1,253,'test','all','all','error_left',1,0.1208203125,1600);
INSERT INTO "metrics" VALUES(1,254,'test','all','all','error_left',2,0.1164453125,1600);
INSERT INTO "metrics" VALUES(1,255,'test','all','all','error_left',3,1.04345238095238102005e-01,1600);
INSERT INTO "metrics" VALUES(1,256,'test','all','all','error_left',4,0.086630859375,1600);
INSERT INTO "metrics" VALUES(1,257,'test','all','all','error_left',5,7.36674528301886760717e-02,1600);
INSERT INTO "metrics" VALUES(1,258,'test','all','all','error_left',6,6.50416666666666642981e-02,1600);
INSERT INTO "metrics" VALUES(1,259,'test','all','all','error_left',7,4.77127659574468065972e-02,1600);
INSERT INTO "metrics" VALUES(1,260,'test','all','all','error_left',8,2.74038461538461536326e-02,1600);
INSERT INTO "metrics" VALUES(1,261,'test','all','all','error_left',9,2.05476804123711359606e-02,1600);
INSERT INTO "metrics" VALUES(1,262,'test','all','all','distance_accuracy',0,6.7868852459016393297e-01,610);
INSERT INTO "metrics" VALUES(1,263,'test','all','all','distance_confidence',0,5.33305086464178401683e-01,610);
INSERT INTO "metrics" VALUES(1,264,'test','all','all','distance_ece',0,1.45524005030022302031e-01,610);
INSERT INTO "metrics" VALUES(1,265,'test','all','all','distance_nll',0,6.7078061225535656753e-01,610);
INSERT INTO "metrics" VALUES(1,266,'test','all','all','distance_accuracy',1,9.82062780269058244186e-01,223);
INSERT INTO "metrics" VALUES(1,267,'test','all','all','distance_confidence',1,0.551604214805124,223);
INSERT INTO "metrics" VALUES(1,268,'test','all','all','distance_ece',1,4.30458565463934239581e-01,223);
INSERT INTO "metrics" VALUES(1,269,'test','all','all','distance_nll',1,5.99115613318717654678e-01,223);
INSERT INTO "metrics" VALUES(1,270,'test','all','all','distance_accuracy',2,1.0,269);
INSERT INTO "metrics" VALUES(1,271,'test','all','all','distance_confidence',2,5.69529777344274679151e-01,269);
INSERT INTO "metrics" VALUES(1,272,'test','all','all','distance_ece',2,4.30470222655725320848e-01,269);
INSERT INTO "metrics" VALUES(1,273,'test','all','all','distance_nll',2,5.63078910362943663159e-01,269);
INSERT INTO "metrics" VALUES(1,274,'test','all','all','distance_accuracy',3,1.0,398);
INSERT INTO "metrics" VALUES(1,275,'test','all','all','distance_confidence',3,5.71510093745274727616e-01,398);
INSERT INTO "metrics" VALUES(1,276,'test','all','all','distance_ece',3,4.28489906254725216872e-01,398);
INSERT INTO "metrics" VALUES(1,277,'test','all','all','distance_nll',3,5.59844272326633363157e-01,398);
INSERT INTO "metrics" VALUES(1,278,'test','all','all','distance_accuracy',4,1.0,100);
INSERT INTO "metrics" VALUES(1,279,'test','all','all','distance_confidence',4,5.72134389281272914828e-01,100);
INSERT INTO "metrics" VALUES(1,280,'test','all','all','distance_ece',4,4.27865610718727085171e-01,100);
INSERT INTO "metrics" VALUES(1,281,'test','all','all','distance_nll',4,5.59293404464786814145e-01,100);
INSERT INTO "metrics" VALUES(1,282,'test','all','background','predicted_accuracy',NULL,9.04684975767366728049e-01,1238);
INSERT INTO "metrics" VALUES(1,283,'test','all','background','predicted_confidence',NULL,5.62280438828352768787e-01,1238);
INSERT INTO "metrics" VALUES(1,284,'test','all','background','predicted_ece',NULL,3.42404536939013959262e-01,1238);
INSERT INTO "metrics" VALUES(1,285,'test','all','background','predicted_nll',NULL,5.89121917087824908954e-01,1238);
INSERT INTO "metrics" VALUES(1,286,'test','all','disc','predicted_accuracy',NULL,7.73480662983425437673e-01,362);
INSERT INTO "metrics" VALUES(1,287,'test','all','disc','predicted_confidence',NULL,5.25134325192119555403e-01,362);
INSERT INTO "metrics" VALUES(1,288,'test','all','disc','predicted_ece',NULL,2.52915850495765204275e-01,362);
INSERT INTO "metrics" VALUES(1,289,'test','all','disc','predicted_nll',NULL,6.73098369091780224238e-01,362);
INSERT INTO "metrics" VALUES(1,290,'test','all','all','nll_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,291,'test','all','all','nll_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,292,'test','all','all','brier_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,293,'test','all','all','brier_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,294,'test','all','all','ece_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,295,'test','all','all','ece_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,296,'test','even','background','dice',NULL,9.18032786885245921659e-01,1320);
INSERT INTO "metrics" VALUES(1,297,'test','even','background','iou',NULL,8.48484848484848508398e-01,1320);
INSERT INTO "metrics" VALUES(1,298,'test','even','disc','dice',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,299,'test','even','disc','iou',NULL,5.8333333333333337034e-01,480);
INSERT INTO "metrics" VALUES(1,300,'test','even','all','mean_dice',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,301,'test','even','all','mean_iou',NULL,5.8333333333333337034e-01,480);
INSERT INTO "metrics" VALUES(1,302,'test','even','all','pixel_f1',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,303,'test','even','all','pixel_accuracy',NULL,0.875,1600);
INSERT INTO "metrics" VALUES(1,304,'test','even','all','nll',NULL,6.08121589353720293225e-01,1600);
INSERT INTO "metrics" VALUES(1,305,'test','even','all','brier',NULL,4.15524622165934387485e-01,1600);
INSERT INTO "metrics" VALUES(1,306,'test','even','all','brier_reliability',NULL,2.72083847955241597826e-01,1600);
INSERT INTO "metrics" VALUES(1,307,'test','even','all','brier_resolution',NULL,2.30294547692163037444e-01,1600);
INSERT INTO "metrics" VALUES(1,308,'test','even','all','brier_uncertainty',NULL,3.73746875000000033928e-01,1600);
INSERT INTO "metrics" VALUES(1,309,'test','even','all','ece',NULL,3.21177460514008972225e-01,1600);
INSERT INTO "metrics" VALUES(1,310,'test','even','all','ece_adaptive',NULL,0.321123869381845,1600);
INSERT INTO "metrics" VALUES(1,311,'test','even','all','ece_classwise',NULL,3.21845224034041144101e-01,1600);
INSERT INTO "metrics" VALUES(1,312,'test','even','background','ece_classwise',NULL,3.22157721966505050659e-01,1600);
INSERT INTO "metrics" VALUES(1,313,'test','even','disc','ece_classwise',NULL,3.21532726101577293054e-01,1600);
INSERT INTO "metrics" VALUES(1,314,'test','even','all','reliability_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,315,'test','even','all','reliability_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,316,'test','even','all','reliability_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,317,'test','even','all','reliability_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,318,'test','even','all','reliability_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,319,'test','even','all','reliability_confidence',5,5.53704662121201729441e-01,1595);
INSERT INTO "metrics" VALUES(1,320,'test','even','all','reliability_confidence',6,6.08574581146240189966e-01,5);
INSERT INTO "metrics" VALUES(1,321,'test','even','all','reliability_confidence',7,NULL,0);
INSERT INTO "metrics" VALUES(1,322,'test','even','all','reliability_confidence',8,NULL,0);
INSERT INTO "metrics" VALUES(1,323,'test','even','all','reliability_confidence',9,NULL,0);
INSERT INTO "metrics" VALUES(1,324,'test','even','all','reliability_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,325,'test','even','all','reliability_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,326,'test','even','all','reliability_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,327,'test','even','all','reliability_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,328,'test','even','all','reliability_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,329,'test','even','all','reliability_accuracy',5,8.75862068965517215346e-01,1595);
INSERT INTO "metrics" VALUES(1,330,'test','even','all','reliability_accuracy',6,0.6,5);
INSERT INTO "metrics" VALUES(1,331,'test','even','all','reliability_accuracy',7,NULL,0);
INSERT INTO "metrics" VALUES(1,332,'test','even','all','reliability_accuracy',8,NULL,0);
INSERT INTO "metrics" VALUES(1,333,'test','even','all','reliability_accuracy',9,NULL,0);
INSERT INTO "metrics" VALUES(1,334,'test','even','all','aurc',NULL,6.63502166058827363981e-02,1600);
INSERT INTO "metrics" VALUES(1,335,'test','even','all','object_precision',NULL,1.0,1);
INSERT INTO "metrics" VALUES(1,336,'test','even','all','object_recall',NULL,3.33333333333333314829e-01,3);
INSERT INTO "metrics" VALUES(1,337,'test','even','all','object_f1',NULL,0.5,4);
INSERT INTO "metrics" VALUES(1,338,'test','even','all','object_dice',NULL,5.87685098517742754431e-01,4);
INSERT INTO "metrics" VALUES(1,339,'test','even','all','object_hausdorff',NULL,13.3179589272981,4);
INSERT INTO "metrics" VALUES(1,340,'test','all','all','recalibrated_mean_dice',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,341,'test','all','all','recalibrated_pixel_accuracy',NULL,0.875,1600);
INSERT INTO "metrics" VALUES(1,342,'test','all','all','recalibrated_nll',NULL,0.432592980074322,1600);
INSERT INTO "metrics" VALUES(1,343,'test','all','all','recalibrated_brier',NULL,2.59062389814766480533e-01,1600);
INSERT INTO "metrics" VALUES(1,344,'test','all','all','recalibrated_brier_reliability',NULL,1.53348481917382289951e-01,1600);
INSERT INTO "metrics" VALUES(1,345,'test','all','all','recalibrated_brier_resolution',NULL,0.268035963994497,1600);
INSERT INTO "metrics" VALUES(1,346,'test','all','all','recalibrated_ece',NULL,1.75517008416354647337e-01,1600);
INSERT INTO "metrics" VALUES(1,347,'test','all','all','recalibrated_ece_adaptive',NULL,1.75517008416354647337e-01,1600);
INSERT INTO "metrics" VALUES(1,348,'test','all','all','recalibrated_ece_classwise',NULL,1.86347985384054504187e-01,1600);
INSERT INTO "metrics" VALUES(1,349,'test','all','background','recalibrated_ece_classwise',NULL,1.86660483963787565686e-01,1600);
INSERT INTO "metrics" VALUES(1,350,'test','all','disc','recalibrated_ece_classwise',NULL,1.86035486804321414933e-01,1600);
INSERT INTO "metrics" VALUES(1,351,'test','all','all','recalibrated_reliability_confidence',0,NULL,0);
INSERT INTO "metrics" VALUES(1,352,'test','all','all','recalibrated_reliability_confidence',1,NULL,0);
INSERT INTO "metrics" VALUES(1,353,'test','all','all','recalibrated_reliability_confidence',2,NULL,0);
INSERT INTO "metrics" VALUES(1,354,'test','all','all','recalibrated_reliability_confidence',3,NULL,0);
INSERT INTO "metrics" VALUES(1,355,'test','all','all','recalibrated_reliability_confidence',4,NULL,0);
INSERT INTO "metrics" VALUES(1,356,'test','all','all','recalibrated_reliability_confidence',5,5.54332720675087542439e-01,363);
INSERT INTO "metrics" VALUES(1,357,'test','all','all','recalibrated_reliability_confidence',6,6.44974332716729881198e-01,252);
INSERT INTO "metrics" VALUES(1,358,'test','all','all','recalibrated_reliability_confidence',7,7.57625171189197588184e-01,819);
INSERT INTO "metrics" VALUES(1,359,'test','all','all','recalibrated_reliability_confidence',8,8.12779890844620878098e-01,166);
INSERT INTO "metrics" VALUES(1,360,'test','all','all','recalibrated_reliability_confidence',9,NULL,0);
INSERT INTO "metrics" VALUES(1,361,'test','all','all','recalibrated_reliability_accuracy',0,NULL,0);
INSERT INTO "metrics" VALUES(1,362,'test','all','all','recalibrated_reliability_accuracy',1,NULL,0);
INSERT INTO "metrics" VALUES(1,363,'test','all','all','recalibrated_reliability_accuracy',2,NULL,0);
INSERT INTO "metrics" VALUES(1,364,'test','all','all','recalibrated_reliability_accuracy',3,NULL,0);
INSERT INTO "metrics" VALUES(1,365,'test','all','all','recalibrated_reliability_accuracy',4,NULL,0);
INSERT INTO "metrics" VALUES(1,366,'test','all','all','recalibrated_reliability_accuracy',5,7.13498622589531672488e-01,363);
INSERT INTO "metrics" VALUES(1,367,'test','all','all','recalibrated_reliability_accuracy',6,8.09523809523809534383e-01,252);
INSERT INTO "metrics" VALUES(1,368,'test','all','all','recalibrated_reliability_accuracy',7,9.51159951159951111421e-01,819);
INSERT INTO "metrics" VALUES(1,369,'test','all','all','recalibrated_reliability_accuracy',8,9.51807228915662606461e-01,166);
INSERT INTO "metrics" VALUES(1,370,'test','all','all','recalibrated_reliability_accuracy',9,NULL,0);
INSERT INTO "metrics" VALUES(1,371,'test','all','all','recalibrated_aurc',NULL,6.56547683450810076744e-02,1600);
INSERT INTO "metrics" VALUES(1,372,'test','all','all','recalibrated_error_left',0,0.125,1600);
INSERT INTO "metrics" VALUES(1,373,'test','all','all','recalibrated_error_left',1,1.21153846153846153632e-01,1600);
INSERT INTO "metrics" VALUES(1,374,'test','all','all','recalibrated_error_left',2,1.17045454545454549744e-01,1600);
INSERT INTO "metrics" VALUES(1,375,'test','all','all','recalibrated_error_left',3,0.105,1600);
INSERT INTO "metrics" VALUES(1,376,'test','all','all','recalibrated_error_left',4,8.67857142857142854763e-02,1600);
INSERT INTO "metrics" VALUES(1,377,'test','all','all','recalibrated_error_left',5,7.16346153846153799182e-02,1600);
INSERT INTO "metrics" VALUES(1,378,'test','all','all','recalibrated_error_left',6,0.063125,1600);
INSERT INTO "metrics" VALUES(1,379,'test','all','all','recalibrated_error_left',7,4.76388888888888903383e-02,1600);
INSERT INTO "metrics" VALUES(1,380,'test','all','all','recalibrated_error_left',8,2.77777777777777762358e-02,1600);
INSERT INTO "metrics" VALUES(1,381,'test','all','all','recalibrated_error_left',9,0.020625,1600);
INSERT INTO "metrics" VALUES(1,382,'test','all','all','recalibrated_distance_accuracy',0,6.7868852459016393297e-01,610);
INSERT INTO "metrics" VALUES(1,383,'test','all','all','recalibrated_distance_confidence',0,6.26951581141987790424e-01,610);
INSERT INTO "metrics" VALUES(1,384,'test','all','all','recalibrated_distance_ece',0,8.10203900102709206887e-02,610);
INSERT INTO "metrics" VALUES(1,385,'test','all','all','recalibrated_distance_nll',0,6.43620889439976195944e-01,610);
INSERT INTO "metrics" VALUES(1,386,'test','all','all','recalibrated_distance_accuracy',1,9.82062780269058244186e-01,223);
INSERT INTO "metrics" VALUES(1,387,'test','all','all','recalibrated_distance_confidence',1,6.94046653706931193639e-01,223);
INSERT INTO "metrics" VALUES(1,388,'test','all','all','recalibrated_distance_ece',1,2.88016126562127106058e-01,223);
INSERT INTO "metrics" VALUES(1,389,'test','all','all','recalibrated_distance_nll',1,3.85271645713760324536e-01,223);
INSERT INTO "metrics" VALUES(1,390,'test','all','all','recalibrated_distance_accuracy',2,1.0,269);
INSERT INTO "metrics" VALUES(1,391,'test','all','all','recalibrated_distance_confidence',2,7.56206676862496873781e-01,269);
INSERT INTO "metrics" VALUES(1,392,'test','all','all','recalibrated_distance_ece',2,2.43793323137503126218e-01,269);
INSERT INTO "metrics" VALUES(1,393,'test','all','all','recalibrated_distance_nll',2,0.280383885930604,269);
INSERT INTO "metrics" VALUES(1,394,'test','all','all','recalibrated_distance_accuracy',3,1.0,398);
INSERT INTO "metrics" VALUES(1,395,'test','all','all','recalibrated_distance_confidence',3,7.60483317788521850921e-01,398);
INSERT INTO "metrics" VALUES(1,396,'test','all','all','recalibrated_distance_ece',3,2.39516682211478149078e-01,398);
INSERT INTO "metrics" VALUES(1,397,'test','all','all','recalibrated_distance_nll',3,2.76257214505494619327e-01,398);
INSERT INTO "metrics" VALUES(1,398,'test','all','all','recalibrated_distance_accuracy',4,1.0,100);
INSERT INTO "metrics" VALUES(1,399,'test','all','all','recalibrated_distance_confidence',4,7.58679617047309906574e-01,100);
INSERT INTO "metrics" VALUES(1,400,'test','all','all','recalibrated_distance_ece',4,2.41320382952690121181e-01,100);
INSERT INTO "metrics" VALUES(1,401,'test','all','all','recalibrated_distance_nll',4,2.82508118778420247441e-01,100);
INSERT INTO "metrics" VALUES(1,402,'test','all','background','recalibrated_predicted_accuracy',NULL,9.04684975767366728049e-01,1238);
INSERT INTO "metrics" VALUES(1,403,'test','all','background','recalibrated_predicted_confidence',NULL,7.29081039041617806617e-01,1238);
INSERT INTO "metrics" VALUES(1,404,'test','all','background','recalibrated_predicted_ece',NULL,1.75603936725748949188e-01,1238);
INSERT INTO "metrics" VALUES(1,405,'test','all','background','recalibrated_predicted_nll',NULL,3.73443393260125044985e-01,1238);
INSERT INTO "metrics" VALUES(1,406,'test','all','disc','recalibrated_predicted_accuracy',NULL,7.73480662983425437673e-01,362);
INSERT INTO "metrics" VALUES(1,407,'test','all','disc','recalibrated_predicted_confidence',NULL,5.98260939779861167231e-01,362);
INSERT INTO "metrics" VALUES(1,408,'test','all','disc','recalibrated_predicted_ece',NULL,2.244726531413378523e-01,362);
INSERT INTO "metrics" VALUES(1,409,'test','all','disc','recalibrated_predicted_nll',NULL,6.34878031112930396595e-01,362);
INSERT INTO "metrics" VALUES(1,410,'test','all','all','recalibrated_nll_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,411,'test','all','all','recalibrated_nll_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,412,'test','all','all','recalibrated_brier_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,413,'test','all','all','recalibrated_brier_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,414,'test','all','all','recalibrated_ece_low',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,415,'test','all','all','recalibrated_ece_high',NULL,NULL,1);
INSERT INTO "metrics" VALUES(1,416,'test','even','all','recalibrated_mean_dice',NULL,7.36842105263157853833e-01,480);
INSERT INTO "metrics" VALUES(1,417,'test','even','all','recalibrated_pixel_accuracy',NULL,0.875,1600);
INSERT INTO "metrics" VALUES(1,418,'test','even','all','recalibrated_nll',NULL,0.432592980074322,1600);
INSERT INTO "metrics" VALUES(1,419,'test','even','all','recalibrated_brier',NULL,2.59062389814766480533e-01,1600);
INSERT INTO "metrics" VALUES(1,420,'test','even','all','recalibrated_ece',NULL,1.75517008416354647337e-01,1600);
INSERT INTO "metrics" VALUES(1,421,'test','even','all','recalibrated_ece_adaptive',NULL,1.75517008416354647337e-01,1600);
INSERT INTO "metrics" VALUES(1,422,'test','even','all','recalibrated_ece_classwise',NULL,1.86347985384054504187e-01,1600);
INSERT INTO "metrics" VALUES(1,423,'test','even','all','recalibrated_aurc',NULL,6.56547683450810076744e-02,1600);
INSERT INTO "metrics" VALUES(1,424,'all','all','all','evaluation_seconds',NULL,1.03452617999209905974e-01,2);
CREATE TABLE migrations (
            version INTEGER PRIMARY KEY, note TEXT NOT NULL, applied_at TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "migrations" VALUES(1,'images, queries, answers, trainings and metrics','2026-11-29T13:55:14.002+00:00');
INSERT INTO "migrations" VALUES(2,'an evaluation belongs to a training, so a repeated training is evaluated again','2026-11-29T13:55:14.027+00:00');
INSERT INTO "migrations" VALUES(3,'people at work: leases, receipts, withdrawn regions, tokens, and what the worker does','2026-11-29T13:55:14.033+00:00');
INSERT INTO "migrations" VALUES(4,'a database has an id, and the asked region of an answer is found without a search','2026-11-29T13:55:14.045+00:00');
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
CREATE TABLE queries (
            round INTEGER PRIMARY KEY CHECK (round >= 1),
            acquisition TEXT NOT NULL,
            unit TEXT NOT NULL CHECK (unit IN ('region', 'image')),
            model TEXT,
            elapsed_seconds REAL,
            asked_at TEXT NOT NULL
        ) STRICT
        ;
INSERT INTO "queries" VALUES(1,'mutual_information','region','round_000.safetensors',3.07377490007638698443e-02,'2026-11-29T13:55:18.881+00:00');
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
INSERT INTO "query_items" VALUES(1,0,'i0',24,16,16,16,4.63395136594772338867e+00,256);
INSERT INTO "query_items" VALUES(1,1,'i3',8,8,16,16,3.17756864428520202636e+00,256);
CREATE TABLE receipts (
            answer INTEGER PRIMARY KEY REFERENCES answers (id),
            client_id TEXT NOT NULL UNIQUE,
            base INTEGER REFERENCES answers (id),
            is_conflict INTEGER NOT NULL CHECK (is_conflict IN (0, 1))
        ) STRICT
        ;
CREATE TABLE sessions (
            digest BLOB PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('annotate', 'admin')),
            token INTEGER REFERENCES tokens (id),
            started_at TEXT NOT NULL
        ) STRICT
        ;
CREATE TABLE tokens (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('annotate', 'admin')),
            digest BLOB NOT NULL UNIQUE,
            made_at TEXT NOT NULL,
            revoked_at TEXT
        ) STRICT
        ;
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
INSERT INTO "trainings" VALUES(1,0,0,'finished',NULL,3,1.35905170440673828125e+00,4.4794244449994948809e+00,'round_000.safetensors','0c17e7ea489ae851f82d427a03239e5e','2026-11-29T13:55:14.082+00:00',1);
CREATE TABLE withdrawals (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            withdrawn_by TEXT NOT NULL,
            withdrawn_at TEXT NOT NULL,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        ;
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
INSERT INTO "sqlite_sequence" VALUES('answers',2);
COMMIT;
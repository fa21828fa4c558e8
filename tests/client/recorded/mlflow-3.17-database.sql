CREATE TABLE "experiments" (
 experiment_id INTEGER NOT NULL, 
 name VARCHAR(256) NOT NULL, 
 artifact_location VARCHAR(256), 
 lifecycle_stage VARCHAR(32), 
 creation_time BIGINT, 
 last_update_time BIGINT, 
 workspace VARCHAR(63) DEFAULT 'default' NOT NULL, 
 CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), 
 CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
 CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
);
INSERT INTO experiments VALUES (0, 'Default', '/home/ana/lab/mlruns/0', 'active', 1796026526930, 1796026526930, 'default');
INSERT INTO experiments VALUES (1, 'arc: größe # 2', '/home/ana/lab/mlruns/1', 'active', 1796026526979, 1796026526979, 'default');
CREATE TABLE "runs" (
 run_uuid VARCHAR(32) NOT NULL, 
 name VARCHAR(250), 
 source_type VARCHAR(20), 
 source_name VARCHAR(500), 
 entry_point_name VARCHAR(50), 
 user_id VARCHAR(256), 
 status VARCHAR(9), 
 start_time BIGINT, 
 end_time BIGINT, 
 source_version VARCHAR(50), 
 lifecycle_stage VARCHAR(20), 
 artifact_uri VARCHAR(200), 
 experiment_id INTEGER, deleted_time BIGINT, 
 CONSTRAINT run_pk PRIMARY KEY (run_uuid), 
 CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), 
 CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), 
 FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id), 
 CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
);
INSERT INTO runs VALUES ('9700db19bc4941f9b7c894b227c895f1', 'parent', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1796026527443, 1796026529389, '', 'active', '/home/ana/lab/mlruns/1/9700db19bc4941f9b7c894b227c895f1/artifacts', 1, NULL);
INSERT INTO runs VALUES ('c62ae873c0344df7abd5de5cd8208834', 'child', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1796026528811, 1796026529342, '', 'active', '/home/ana/lab/mlruns/1/c62ae873c0344df7abd5de5cd8208834/artifacts', 1, NULL);
INSERT INTO runs VALUES ('b33584d7faf84bebaf3e7c38a106c662', 'broken', 'UNKNOWN', '', '', 'ana', 'FAILED', 1796026529422, 1796026529943, '', 'active', '/home/ana/lab/mlruns/1/b33584d7faf84bebaf3e7c38a106c662/artifacts', 1, NULL);
INSERT INTO runs VALUES ('874fecd404f24084a2cc7a8bd5cdda7f', 'killed', 'UNKNOWN', '', '', 'ana', 'KILLED', 1796026530248, 1796026530589, '', 'active', '/home/ana/lab/mlruns/1/874fecd404f24084a2cc7a8bd5cdda7f/artifacts', 1, NULL);
INSERT INTO runs VALUES ('0537168d33394278acf7e3e9250ede61', 'deleted', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1796026530641, 1796026530718, '', 'deleted', '/home/ana/lab/mlruns/1/0537168d33394278acf7e3e9250ede61/artifacts', 1, 1796026531004);
INSERT INTO runs VALUES ('2ffe7bd83cee42d1a3ba37c6d29f2c82', 'config alone', 'UNKNOWN', '', '', 'ana', 'FINISHED', 1796026531515, 1796026531658, '', 'active', '/home/ana/lab/mlruns/0/2ffe7bd83cee42d1a3ba37c6d29f2c82/artifacts', 0, NULL);
INSERT INTO runs VALUES ('b12cc49a1e7141c6881719ce61ccb24e', 'open', 'UNKNOWN', '', '', 'ana', 'RUNNING', 1796026531701, NULL, '', 'active', '/home/ana/lab/mlruns/0/b12cc49a1e7141c6881719ce61ccb24e/artifacts', 0, NULL);
CREATE TABLE "params" (
 "key" VARCHAR(250) NOT NULL, 
 value VARCHAR(8000) NOT NULL, 
 run_uuid VARCHAR(32) NOT NULL, 
 CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), 
 FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO params VALUES ('lr', '1e-05', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('depth', '3', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('flag', 'True', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('model.name', 'trm', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('commit', '12e4567', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('day', '2024_01_02', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('seed', '007', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('nan', 'nan', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('empty', '', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO params VALUES ('only', '1', '2ffe7bd83cee42d1a3ba37c6d29f2c82');
CREATE TABLE "tags" (
 "key" VARCHAR(250) NOT NULL, 
 value VARCHAR(8000), 
 run_uuid VARCHAR(32) NOT NULL, 
 CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), 
 FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO tags VALUES ('mlflow.user', 'ana', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('mlflow.note.content', 'What it is
about', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('mlflow.runName', 'parent', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('group', 'first', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('größe', 'l', '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO tags VALUES ('mlflow.user', 'ana', 'c62ae873c0344df7abd5de5cd8208834');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', 'c62ae873c0344df7abd5de5cd8208834');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', 'c62ae873c0344df7abd5de5cd8208834');
INSERT INTO tags VALUES ('mlflow.parentRunId', '9700db19bc4941f9b7c894b227c895f1', 'c62ae873c0344df7abd5de5cd8208834');
INSERT INTO tags VALUES ('mlflow.runName', 'child', 'c62ae873c0344df7abd5de5cd8208834');
INSERT INTO tags VALUES ('mlflow.user', 'ana', 'b33584d7faf84bebaf3e7c38a106c662');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', 'b33584d7faf84bebaf3e7c38a106c662');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', 'b33584d7faf84bebaf3e7c38a106c662');
INSERT INTO tags VALUES ('mlflow.runName', 'broken', 'b33584d7faf84bebaf3e7c38a106c662');
INSERT INTO tags VALUES ('mlflow.user', 'ana', '874fecd404f24084a2cc7a8bd5cdda7f');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', '874fecd404f24084a2cc7a8bd5cdda7f');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '874fecd404f24084a2cc7a8bd5cdda7f');
INSERT INTO tags VALUES ('mlflow.runName', 'killed', '874fecd404f24084a2cc7a8bd5cdda7f');
INSERT INTO tags VALUES ('mlflow.user', 'ana', '0537168d33394278acf7e3e9250ede61');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', '0537168d33394278acf7e3e9250ede61');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '0537168d33394278acf7e3e9250ede61');
INSERT INTO tags VALUES ('mlflow.runName', 'deleted', '0537168d33394278acf7e3e9250ede61');
INSERT INTO tags VALUES ('mlflow.user', 'ana', '2ffe7bd83cee42d1a3ba37c6d29f2c82');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', '2ffe7bd83cee42d1a3ba37c6d29f2c82');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', '2ffe7bd83cee42d1a3ba37c6d29f2c82');
INSERT INTO tags VALUES ('mlflow.runName', 'config alone', '2ffe7bd83cee42d1a3ba37c6d29f2c82');
INSERT INTO tags VALUES ('mlflow.user', 'ana', 'b12cc49a1e7141c6881719ce61ccb24e');
INSERT INTO tags VALUES ('mlflow.source.name', 'train.py', 'b12cc49a1e7141c6881719ce61ccb24e');
INSERT INTO tags VALUES ('mlflow.source.type', 'LOCAL', 'b12cc49a1e7141c6881719ce61ccb24e');
INSERT INTO tags VALUES ('mlflow.runName', 'open', 'b12cc49a1e7141c6881719ce61ccb24e');
CREATE TABLE "metrics" (
 "key" VARCHAR(250) NOT NULL, 
 value FLOAT NOT NULL, 
 timestamp BIGINT NOT NULL, 
 run_uuid VARCHAR(32) NOT NULL, 
 step BIGINT DEFAULT '0' NOT NULL, 
 is_nan BOOLEAN DEFAULT '0' NOT NULL, 
 CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan), 
 FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
 CHECK (is_nan IN (0, 1))
);
INSERT INTO metrics VALUES ('loss', 1.0, 1796026527754, '9700db19bc4941f9b7c894b227c895f1', 0, 0);
INSERT INTO metrics VALUES ('eval/acc', 0.0, 1796026527754, '9700db19bc4941f9b7c894b227c895f1', 0, 0);
INSERT INTO metrics VALUES ('loss', 0.5, 1796026527796, '9700db19bc4941f9b7c894b227c895f1', 1, 0);
INSERT INTO metrics VALUES ('eval/acc', 0.25, 1796026527796, '9700db19bc4941f9b7c894b227c895f1', 1, 0);
INSERT INTO metrics VALUES ('loss', 3.33333333333333314829e-01, 1796026527902, '9700db19bc4941f9b7c894b227c895f1', 2, 0);
INSERT INTO metrics VALUES ('eval/acc', 0.5, 1796026527902, '9700db19bc4941f9b7c894b227c895f1', 2, 0);
INSERT INTO metrics VALUES ('loss', 0.25, 1796026527958, '9700db19bc4941f9b7c894b227c895f1', 3, 0);
INSERT INTO metrics VALUES ('eval/acc', 0.75, 1796026527958, '9700db19bc4941f9b7c894b227c895f1', 3, 0);
INSERT INTO metrics VALUES ('odd', 0.0, 1796026528007, '9700db19bc4941f9b7c894b227c895f1', 0, 1);
INSERT INTO metrics VALUES ('odd', 1.79769313486231562234e+308, 1796026528048, '9700db19bc4941f9b7c894b227c895f1', 1, 0);
INSERT INTO metrics VALUES ('odd', -1.79769313486231562234e+308, 1796026528095, '9700db19bc4941f9b7c894b227c895f1', 2, 0);
INSERT INTO metrics VALUES ('again', 1.0, 1796026528118, '9700db19bc4941f9b7c894b227c895f1', 5, 0);
INSERT INTO metrics VALUES ('again', 2.0, 1796026528146, '9700db19bc4941f9b7c894b227c895f1', 5, 0);
INSERT INTO metrics VALUES ('without step', 4.0, 1796026528422, '9700db19bc4941f9b7c894b227c895f1', 0, 0);
INSERT INTO metrics VALUES ('negative', 4.0, 1796026528700, '9700db19bc4941f9b7c894b227c895f1', -3, 0);
INSERT INTO metrics VALUES ('loss', 9.0, 1796026529182, 'c62ae873c0344df7abd5de5cd8208834', 1, 0);
INSERT INTO metrics VALUES ('loss', 1.0, 1796026529854, 'b33584d7faf84bebaf3e7c38a106c662', 0, 0);
INSERT INTO metrics VALUES ('loss', 2.0, 1796026530410, '874fecd404f24084a2cc7a8bd5cdda7f', 0, 0);
INSERT INTO metrics VALUES ('loss', 2.0, 1796026530689, '0537168d33394278acf7e3e9250ede61', 0, 0);
INSERT INTO metrics VALUES ('loss', 5.0, 1796026531747, 'b12cc49a1e7141c6881719ce61ccb24e', 0, 0);
CREATE TABLE "latest_metrics" (
 "key" VARCHAR(250) NOT NULL, 
 value FLOAT NOT NULL, 
 timestamp BIGINT, 
 step BIGINT NOT NULL, 
 is_nan BOOLEAN NOT NULL, 
 run_uuid VARCHAR(32) NOT NULL, 
 CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), 
 FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), 
 CHECK (is_nan IN (0, 1))
);
INSERT INTO latest_metrics VALUES ('loss', 0.25, 1796026527958, 3, 0, '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO latest_metrics VALUES ('eval/acc', 0.75, 1796026527958, 3, 0, '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO latest_metrics VALUES ('odd', -1.79769313486231562234e+308, 1796026528095, 2, 0, '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO latest_metrics VALUES ('again', 2.0, 1796026528146, 5, 0, '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO latest_metrics VALUES ('without step', 4.0, 1796026528422, 0, 0, '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO latest_metrics VALUES ('negative', 4.0, 1796026528700, -3, 0, '9700db19bc4941f9b7c894b227c895f1');
INSERT INTO latest_metrics VALUES ('loss', 9.0, 1796026529182, 1, 0, 'c62ae873c0344df7abd5de5cd8208834');
INSERT INTO latest_metrics VALUES ('loss', 1.0, 1796026529854, 0, 0, 'b33584d7faf84bebaf3e7c38a106c662');
INSERT INTO latest_metrics VALUES ('loss', 2.0, 1796026530410, 0, 0, '874fecd404f24084a2cc7a8bd5cdda7f');
INSERT INTO latest_metrics VALUES ('loss', 2.0, 1796026530689, 0, 0, '0537168d33394278acf7e3e9250ede61');
INSERT INTO latest_metrics VALUES ('loss', 5.0, 1796026531747, 0, 0, 'b12cc49a1e7141c6881719ce61ccb24e');

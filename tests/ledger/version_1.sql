-- A ledger of version 1 as it was released, with a row or more in every table. Never edited.
CREATE TABLE binding (
    name VARCHAR(40) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE budget (
    scope VARCHAR(120) NOT NULL,
    certain_micros BIGINT NOT NULL,
    possible_micros BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    cap_micros BIGINT NOT NULL,
    cap_calls BIGINT NOT NULL,
    PRIMARY KEY (scope)
);

CREATE TABLE calls (
    call_id VARCHAR(64) NOT NULL,
    run_id VARCHAR(40) NOT NULL,
    epoch INTEGER NOT NULL,
    owner VARCHAR(40) NOT NULL,
    record_ref VARCHAR(40) NOT NULL,
    chunk INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    question VARCHAR(40) NOT NULL,
    subject VARCHAR(40) NOT NULL,
    key_id VARCHAR(40) NOT NULL,
    operation VARCHAR(20) NOT NULL,
    family VARCHAR(20) NOT NULL,
    cost_centre TEXT NOT NULL,
    org_code TEXT NOT NULL,
    night VARCHAR(60) NOT NULL,
    month VARCHAR(7) NOT NULL,
    sent_us BIGINT NOT NULL,
    ended_us BIGINT,
    state VARCHAR(12) NOT NULL,
    answer VARCHAR(12) DEFAULT '' NOT NULL,
    charge VARCHAR(12) NOT NULL,
    open INTEGER NOT NULL,
    worst_micros BIGINT NOT NULL,
    price_micros BIGINT NOT NULL,
    status INTEGER,
    code VARCHAR(40) DEFAULT '' NOT NULL,
    verification_code VARCHAR(20) DEFAULT '' NOT NULL,
    verification_result VARCHAR(40) DEFAULT '' NOT NULL,
    similarity VARCHAR(40) DEFAULT '' NOT NULL,
    request_id TEXT DEFAULT '' NOT NULL,
    outcome VARCHAR(40) DEFAULT '' NOT NULL,
    ocr_name_match VARCHAR(10) DEFAULT '' NOT NULL,
    ocr_id_match VARCHAR(10) DEFAULT '' NOT NULL,
    decision VARCHAR(40) DEFAULT '' NOT NULL,
    voided INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (call_id)
);
CREATE INDEX calls_by_owner ON calls (state, owner);
CREATE INDEX calls_by_question ON calls (question);
CREATE INDEX calls_by_record ON calls (run_id, record_ref);
CREATE UNIQUE INDEX open_question ON calls (question) WHERE open = 1;

CREATE TABLE decisions (
    decision VARCHAR(40) NOT NULL,
    kind VARCHAR(20) NOT NULL,
    target TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (decision)
);

CREATE TABLE owners (
    owner VARCHAR(40) NOT NULL,
    host VARCHAR(255) NOT NULL,
    pid INTEGER NOT NULL,
    started_us BIGINT NOT NULL,
    ended_us BIGINT,
    PRIMARY KEY (owner)
);

CREATE TABLE quota (
    name VARCHAR(60) NOT NULL,
    next_us BIGINT NOT NULL,
    rate_milli BIGINT NOT NULL,
    changed_us BIGINT NOT NULL,
    throttled BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE runs (
    run_id VARCHAR(40) NOT NULL,
    profile VARCHAR(40) NOT NULL,
    source TEXT NOT NULL,
    business_date DATE NOT NULL,
    sequence INTEGER NOT NULL,
    plan_hash VARCHAR(64) NOT NULL,
    "plan" TEXT NOT NULL,
    as_of_us BIGINT NOT NULL,
    state VARCHAR(40) NOT NULL,
    stop VARCHAR(40) DEFAULT '' NOT NULL,
    revision INTEGER DEFAULT '0' NOT NULL,
    epoch INTEGER DEFAULT '0' NOT NULL,
    owner VARCHAR(40) DEFAULT '' NOT NULL,
    approved_by TEXT DEFAULT '' NOT NULL,
    created_us BIGINT NOT NULL,
    started_us BIGINT,
    ended_us BIGINT,
    closing TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (run_id),
    UNIQUE (profile, source, business_date, sequence)
);

CREATE TABLE switches (
    name VARCHAR(40) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE tiers (
    month VARCHAR(7) NOT NULL,
    family VARCHAR(20) NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (month, family)
);

CREATE TABLE unsent (
    run_id VARCHAR(40) NOT NULL,
    record_ref VARCHAR(40) NOT NULL,
    outcome VARCHAR(40) NOT NULL,
    reason VARCHAR(40) NOT NULL,
    open_call VARCHAR(64) DEFAULT '' NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (run_id, record_ref)
);

INSERT INTO binding VALUES ('schema', '1'), ('ledger_id', '0123456789abcdef0123456789abcdef'), ('endpoint', 'loopback'), ('project', 'p');
INSERT INTO owners VALUES ('gone', 'host', 7, 1, NULL);
INSERT INTO runs VALUES ('r1', 'test', 's', '2026-11-24', 1, 'hash', '{}', 1, 'running', '', 0, 3, 'gone', '', 1, 1, NULL, '');
INSERT INTO calls VALUES
  ('c1', 'r1', 3, 'gone', 'R1', 0, 1, 'q1', 's1', 'k', 'id2_text', 'two_factor', '', '', 'n', '2026-11', 5, 6, 'answered', 'verdict', 'certain', 0, 500000, 400000, 200, '', '1000', '', '', 'req', 'verified', '', '', '', 0),
  ('c2', 'r1', 3, 'gone', 'R2', 0, 1, 'q2', 's2', 'k', 'id2_text', 'two_factor', '', '', 'n', '2026-11', 7, NULL, 'sent', '', 'possible', 1, 500000, 500000, NULL, '', '', '', '', '', '', '', '', '', 0);
INSERT INTO unsent VALUES ('r1', 'R3', 'rejected', 'bad_media', '', 8);
INSERT INTO decisions VALUES ('d1', 'approve', 'hash', 'A', 'B', 2);
INSERT INTO budget VALUES ('run:r1', 400000, 500000, 2, 10000000, 0), ('night:n', 400000, 500000, 2, 10000000, 0), ('month:2026-11', 400000, 500000, 2, 10000000, 0);
INSERT INTO tiers VALUES ('2026-11', 'two_factor', 1);
INSERT INTO quota VALUES ('p:two_factor', 9, 10000, 1, 0);
INSERT INTO switches VALUES ('halt', 'A: why');

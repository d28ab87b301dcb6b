import SojournCore

extension Schema {
    /// The search index, and the hash chain.
    ///
    /// `search` indexes the text of messages, and has no text itself. A row of it is one message; its number, the
    /// *document*, is 256 times the message's time in ms, plus a number that makes it unique: so documents are in the
    /// order of time, in one archive and over all of them. `messages` says which event a document is.
    ///
    /// Events are indexed in the order in which they were written, by row number up to `indexing.upto`. What is deleted,
    /// by whomever, leaves `messages` in the same transaction, and is not found any more; its words wait in `outdated`
    /// to be taken out of the index, for which FTS5 needs them. (A trigger may use neither FTS5 nor JSON functions where
    /// the schema is not trusted.)
    static let search = Migration(
        major: 1, minor: 3,
        script: """
            ALTER TABLE sessions ADD COLUMN chain BLOB;
            CREATE INDEX sessions_unsealed ON sessions (handover) WHERE chain IS NULL AND state = 'committed';

            CREATE TABLE indexing (upto INTEGER NOT NULL);
            INSERT INTO indexing VALUES (0);
            CREATE TABLE messages (doc INTEGER PRIMARY KEY, handover INTEGER NOT NULL, seq INTEGER NOT NULL);
            CREATE UNIQUE INDEX messages_by_event ON messages (handover, seq);
            CREATE TABLE outdated (
                doc INTEGER PRIMARY KEY, body BLOB NOT NULL, agent TEXT NOT NULL, user TEXT NOT NULL
            );
            CREATE VIRTUAL TABLE search USING fts5(text, who, content = '', prefix = '2', tokenize = 'sojourn');

            CREATE TRIGGER session_deleted BEFORE DELETE ON sessions BEGIN
                -- While the session is still there, which the index needs; ON DELETE CASCADE comes too late.
                DELETE FROM events WHERE handover = old.handover;
            END;
            CREATE TRIGGER message_deleted BEFORE DELETE ON events WHEN old.type IN (\(messageTypes)) BEGIN
                INSERT INTO outdated (doc, body, agent, user)
                    SELECT m.doc, old.body, s.agent, s.user
                    FROM messages m JOIN sessions s ON s.handover = m.handover
                    WHERE m.handover = old.handover AND m.seq = old.seq;
                DELETE FROM messages WHERE handover = old.handover AND seq = old.seq;
            END;
            -- The next event may get the row number of the last one.
            CREATE TRIGGER event_deleted AFTER DELETE ON events BEGIN
                UPDATE indexing SET upto = old.rowid - 1
                WHERE upto >= old.rowid AND NOT EXISTS (SELECT 1 FROM events WHERE rowid > old.rowid);
            END;
            CREATE TRIGGER message_moved AFTER UPDATE OF handover ON events WHEN old.type IN (\(messageTypes)) BEGIN
                UPDATE messages SET handover = new.handover WHERE handover = old.handover AND seq = old.seq;
            END;
            """)

    /// The types of events that are messages, as SQL.
    static let messageTypes = EventType.messages.sorted().map { "'\($0)'" }.joined(separator: ", ")

    /// The text of a message, as SQL; the same words must go into the index and come out of it again.
    static func text(of body: String) -> String {
        """
        iif(json_valid(CAST(\(body) AS TEXT)), coalesce(json_extract(CAST(\(body) AS TEXT), '$.data.content'), ''), '')
        """
    }

    /// The words for agent and user of the session `s`, as SQL.
    static let who = "'a' || replace(s.agent, '-', '') || ' u' || replace(s.user, '-', '')"
}

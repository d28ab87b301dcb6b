import SojournCore

/// What there is to say of a route to someone who calls it.
struct Operation {
    let summary: String
    /// The query's parameters, as fields of a schema.
    var query = ""
    /// Header fields that count, as fields of a schema.
    var headers = ""
    /// The request's body, as fields of a schema; nil takes none.
    var body: String?
    /// A body that works.
    var example: JSON?
    /// What it answers when all is well, by status: the name of a schema, a media type, or nothing.
    var answers: [(status: Int, schema: String)]
    /// The statuses of its errors, beside those that every route has.
    var errors: [Int] = []

    init(
        _ summary: String, query: String = "", headers: String = "", body: String? = nil, example: JSON? = nil,
        answers: [(status: Int, schema: String)], errors: [Int] = []
    ) {
        self.summary = summary
        self.query = query
        self.headers = headers
        self.body = body
        self.example = example
        self.answers = answers
        self.errors = errors
    }
}

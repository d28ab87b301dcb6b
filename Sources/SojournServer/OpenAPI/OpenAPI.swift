import SojournCore
import SojournHTTP

/// The description of the interface (OpenAPI 3.1), made from the table by which requests are routed.
enum OpenAPI {
    /// The description of these routes. One without an operation is described by its path alone; a test forbids that.
    static func document(_ routes: [Route], version: String) -> JSON {
        var paths = JSONObject()
        for route in routes {
            var item = paths[route.path]?.object ?? JSONObject()
            item[route.method.rawValue.lowercased()] = .object(Self.operation(route))
            paths[route.path] = .object(item)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Sojourn", "version": .string(version),
                "description": "Live sessions of conversations, in Redis; their transcripts, in SQLite.",
            ],
            "paths": .object(paths),
            "components": [
                "schemas": .object(Schemas.json),
                "securitySchemes": [
                    "key": ["type": "apiKey", "in": "header", "name": "X-API-KEY"],
                    "bearer": ["type": "http", "scheme": "bearer"],
                ],
            ],
        ]
    }

    private static func operation(_ route: Route) -> JSONObject {
        let known = Self.operations[route.name]
        var operation: JSONObject = ["summary": .string(known?.summary ?? route.name)]
        let isGuarded = route.pattern.first == "api" && !route.isOpen
        if isGuarded { operation["security"] = [["key": []], ["bearer": []], .object(JSONObject())] }
        var parameters = route.pattern.filter { $0.hasPrefix(":") }.map { part -> JSON in
            [
                "name": .string(String(part.dropFirst())), "in": "path", "required": true,
                "schema": ["type": "string", "minLength": 1],
            ]
        }
        parameters += Self.parameters(known?.query ?? "", "query") + Self.parameters(known?.headers ?? "", "header")
        if route.takesQueryToken { parameters += Self.parameters("token? string", "query") }
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let body = known?.body {
            var media: JSONObject = ["schema": SchemaText.object(body)]
            if let example = known?.example { media["example"] = example }
            operation["requestBody"] = ["content": ["application/json": .object(media)]]
        }
        var answers = JSONObject()
        for (status, schema) in known?.answers ?? [] {
            guard !schema.isEmpty else {
                answers[String(status)] = ["description": "Another protocol follows"]
                continue
            }
            let isStream = schema.contains("/")
            let former = answers[String(status)]?["content"]?.object ?? JSONObject()
            let content: JSONObject =
                isStream
                ? [schema: ["schema": ["type": "string"]]]
                : ["application/json": ["schema": SchemaText.reference(schema)]]
            answers[String(status)] = ["description": "Done", "content": .object(former.merging(content))]
        }
        let common = [400, 413, 431, 500, 503] + (isGuarded ? [401, 403, 429] : [])
        for status in (common + (known?.errors ?? [])).sorted() where answers[String(status)] == nil {
            answers[String(status)] = Self.error(status)
        }
        operation["responses"] = .object(answers)
        return operation
    }

    private static func parameters(_ fields: String, _ place: JSON) -> [JSON] {
        (SchemaText.object(fields)["properties"]?.object?.members ?? []).map {
            ["name": .string($0.name), "in": place, "schema": $0.value]
        }
    }

    private static func error(_ status: Int) -> JSON {
        if status == 401 {
            return [
                "description": "No valid key or token",
                "content": [
                    "application/json": ["schema": SchemaText.reference("Unauthorized"), "example": Gate.refusal]
                ],
            ]
        }
        let example = ErrorBody.json(
            StoreError(StoreError.Code(status: status), "What is wrong, in a sentence"),
            at: Instant(milliseconds: 1_795_220_673_178))
        var answer: JSONObject = [
            "description": .string(Self.reasons[status] ?? "Refused"),
            "content": ["application/json": ["schema": SchemaText.reference("Error"), "example": example]],
        ]
        if [429, 503].contains(status) {
            answer["headers"] = ["Retry-After": ["description": "seconds", "schema": ["type": "integer"]]]
        }
        return .object(answer)
    }

    private static let reasons = [
        400: "The request is wrong", 403: "The key or token may not do this",
        404: "There is no such thing, or it is not "
            + "the caller's", 409: "It is not the time for this", 410: "The session's life is over",
        413: "The body is too large", 422: "It cannot be done",
        426: "This is a WebSocket", 429: "Too many requests; see Retry-After",
        431: "The header is too large", 500: "A fault of the node",
        503: "Redis or the archive is away; see Retry-After",
    ]
}

extension Route {
    /// The path as OpenAPI writes it.
    var path: String {
        "/" + self.pattern.map { $0.hasPrefix(":") ? "{\($0.dropFirst())}" : $0 }.joined(separator: "/")
    }

    /// Method and path.
    var name: String { "\(self.method.rawValue) \(self.path)" }
}

extension StoreError.Code {
    /// The most common code of a status.
    fileprivate init(status: Int) {
        let codes: [StoreError.Code] = [
            .validation, .forbidden, .sessionNotFound, .sessionBusy, .sessionExpired, .renewalFailed, .rateLimited,
            .storeUnavailable,
        ]
        self = codes.first { $0.status == status } ?? (status < 500 ? .validation : .internalError)
    }
}

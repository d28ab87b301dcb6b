import Foundation

extension RawHTTP {
    /// One request with a JSON body, on a connection of its own.
    ///
    /// - Parameters:
    ///   - key: an idempotency key.
    ///   - deadline: milliseconds to wait for the answer.
    /// - Returns: the status, and the body when it is a JSON object, else nothing.
    public static func ask(
        port: Int, _ method: String, _ path: String, _ body: [String: Any]? = nil, key: String? = nil,
        deadline: Int = 10_000
    ) throws -> (status: Int, body: [String: Any]) {
        let client = try RawHTTP(port: port, deadlineMilliseconds: deadline)
        let bytes = try body.map { Array(try JSONSerialization.data(withJSONObject: $0)) } ?? []
        let head =
            [
                "\(method) \(path) HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                "Content-Length: \(bytes.count)", "Connection: close",
            ] + (key.map { ["Idempotency-Key: \($0)"] } ?? [])
        try client.send(Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + bytes)
        let response = try client.readResponse()
        let object = try? JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any]
        return (response.status, object ?? [:])
    }
}

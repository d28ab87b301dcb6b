import COpenSSL
import Glibc

/// A blocking TLS client on a connected socket, which trusts everyone; for ``RawHTTP``.
final class RawTLS {
    private let context: OpaquePointer
    private let session: OpaquePointer
    private let descriptor: CInt
    /// What was agreed on.
    var version: String { String(cString: SSL_get_version(self.session)) }

    init(_ descriptor: CInt) throws {
        guard let context = SSL_CTX_new(TLS_client_method()), let session = SSL_new(context) else {
            throw RawHTTPError.malformed("no TLS")
        }
        self.context = context
        self.session = session
        self.descriptor = descriptor
        _ = SSL_set_alpn_protos(session, Array("\u{8}http/1.1".utf8), 9)
        SSL_set_fd(session, descriptor)
        // From here on the socket never blocks, so that each wait has its limit.
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        let end = ContinuousClock.now + .seconds(20)
        while true {
            let code = SSL_connect(session)
            if code == 1 { return }
            guard self.wait(after: code, until: end) else { throw RawHTTPError.closed(received: "no TLS handshake") }
        }
    }

    deinit {
        SSL_free(self.session)
        SSL_CTX_free(self.context)
    }

    /// What has come already.
    var pending: Bool { SSL_pending(self.session) > 0 }

    /// Sends all bytes; false when the peer is gone.
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        let end = ContinuousClock.now + .seconds(60)
        while !rest.isEmpty {
            let code = rest.withUnsafeBytes { SSL_write(self.session, $0.baseAddress, CInt(min($0.count, 16_384))) }
            if code > 0 {
                rest = rest.dropFirst(Int(code))
            } else if !self.wait(after: code, until: end) {
                return false
            }
        }
        return true
    }

    /// Some bytes; none when nothing whole has come yet; nil at the end.
    func receive() -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let code = SSL_read(self.session, &buffer, CInt(buffer.count))
        if code > 0 { return Array(buffer[..<Int(code)]) }
        let error = SSL_get_error(self.session, code)
        ERR_clear_error()
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? [] : nil
    }

    private func wait(after code: CInt, until end: ContinuousClock.Instant) -> Bool {
        let error = SSL_get_error(self.session, code)
        ERR_clear_error()
        guard error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE, ContinuousClock.now < end else {
            return false
        }
        let events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT
        var polled = pollfd(fd: self.descriptor, events: Int16(events), revents: 0)
        _ = poll(&polled, 1, 100)
        return true
    }
}

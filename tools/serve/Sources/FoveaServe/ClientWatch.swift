// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import NIOCore
import NIOHTTPTypes
import Synchronization

/// Detects that a connection's client has gone: it closed its end, or the connection broke. A handler in the connection's pipeline.
final class ClientWatch: ChannelInboundHandler, RemovableChannelHandler, Sendable {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart

  private enum State {
    case here(leave: (@Sendable () -> Void)?)
    case gone
  }

  private let state = Mutex(State.here(leave: nil))

  /// `leave` is called once; at once if the client has gone already. A connection has one request at a time; nil: none.
  func whenGone(_ leave: (@Sendable () -> Void)?) {
    let isGone = state.withLock { state in
      if case .gone = state { return true }
      state = .here(leave: leave)
      return false
    }
    if isGone { leave?() }
  }

  private func left() {
    let leave = state.withLock { state in
      guard case .here(let leave) = state else { return nil as (@Sendable () -> Void)? }
      state = .gone
      return leave
    }
    leave?()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed = event { left() }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    left()
    context.fireChannelInactive()
  }
}

/// Context of a request besides itself.
struct ServeContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel
  /// The client for fair queueing: an API key's name or an address.
  var client: String

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
    client = source.channel.remoteAddress?.ipAddress ?? ""
  }

  func watch() async -> ClientWatch? { try? await channel.pipeline.handler(type: ClientWatch.self).get() }
}

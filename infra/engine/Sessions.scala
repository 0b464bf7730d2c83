// The package of Hive's doors: how one opens a session is closed to any other.
package org.apache.hive.service.cli.thrift

import kho.Accounts
import org.apache.hive.service.auth.TSetIpAddressProcessor
import org.apache.hive.service.cli.{CLIService, SessionHandle}
import org.apache.hive.service.rpc.thrift.{TOpenSessionReq, TOpenSessionResp, TProtocolVersion}

/**
 * A door whose sessions run as whoever they serve, but for the steps': those run as the engine itself, which they are.
 *
 * Hadoop and Hive keep much by user, and a session that runs as somebody begins with none of it: the steps' statements
 * of a hundred drafts and tests then took the engine 172 s of processor time instead of 154 s.
 */
abstract class Sessions(cli: CLIService) extends ThriftBinaryCLIService(cli) {
  override def getSessionHandle(request: TOpenSessionReq, response: TOpenSessionResp): SessionHandle =
    if (TSetIpAddressProcessor.getUserName != Accounts.Steps) super.getSessionHandle(request, response)
    else {
      val known = math.min(CLIService.SERVER_VERSION.getValue, request.getClient_protocol.getValue)
      val version = TProtocolVersion.findByValue(known)
      response.setServerProtocolVersion(version)
      val address = TSetIpAddressProcessor.getUserIpAddress
      cli.openSession(version, Accounts.Steps, "", address, request.getConfiguration)
    }
}

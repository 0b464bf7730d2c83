// The package of Spark's Thrift server: what is extended here is closed to any other.
package org.apache.spark.sql.hive.thriftserver

import java.util.{HashMap => JHashMap, List => JList, Map => JMap}

import scala.jdk.CollectionConverters._

import kho.{Accounts, Warehouse}
import org.apache.hive.service.Service
import org.apache.hive.service.auth.TSetIpAddressProcessor
import org.apache.hive.service.cli.{CLIService, HiveSQLException}
import org.apache.hive.service.cli.thrift.{Sessions, ThriftBinaryCLIService}
import org.apache.hive.service.rpc.thrift.{TExecuteStatementReq, TExecuteStatementResp}
import org.apache.hive.service.rpc.thrift.{TOpenSessionReq, TOpenSessionResp}
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.hive.HiveUtils
import org.apache.spark.sql.hive.thriftserver.ReflectionUtils.{getAncestorField, setSuperField}
import org.apache.spark.sql.hive.thriftserver.ui.{HiveThriftServer2EventManager, HiveThriftServer2Listener}
import org.apache.spark.status.ElementTrackingStore
import org.apache.spark.util.ShutdownHookManager

/** Starts Spark's Thrift server with a door of ours before it, and Spark Connect, which is one of Spark's plugins. */
object Door {
  def main(arguments: Array[String]): Unit = {
    SparkSQLEnv.init()
    ShutdownHookManager.addShutdownHook(() => SparkSQLEnv.stop())
    val session = SparkSQLEnv.sparkSession
    Warehouse.begin(session)
    val context = session.sparkContext
    // With an empty catalogue of Hive's own, in memory: a session that closes looks into it, and into nothing else.
    val conf = HiveUtils.newClientForExecution(context.conf, session.sessionState.newHadoopConf()).conf
    val server = new HiveThriftServer2(session)
    val store = context.statusStore.store.asInstanceOf[ElementTrackingStore]
    HiveThriftServer2.eventManager = new HiveThriftServer2EventManager(context)
    HiveThriftServer2.listener = new HiveThriftServer2Listener(store, context.conf, Some(server))
    context.listenerBus.addToStatusQueue(HiveThriftServer2.listener)
    server.init(conf)
    val services = getAncestorField[JList[Service]](server, 2, "serviceList")
    val cli = services.asScala.collectFirst { case service: CLIService => service }.get
    services.removeIf(_.isInstanceOf[ThriftBinaryCLIService])
    val door = new Door(cli, session)
    door.init(conf)
    services.add(door)
    setSuperField(server, "thriftCLIService", door)
    server.start()
  }

  // What JDBC drivers send by themselves, and the schema to begin in: it is put into a statement, so only a word.
  private val harmless = Set("set:hiveconf:hive.server2.thrift.resultset.default.fetch.size")
  private val word = "[A-Za-z0-9_]*"

  /** Why a client may not begin with these settings; None when it may. */
  def refusal(account: String, settings: Map[String, String]): Option[String] = {
    val refused = settings.toSeq.sorted.collect {
      case ("use:database", schema) if schema.matches(word) => None
      case (name, _) if harmless(name) => None
      case (name, value) => Some(s"$name=$value")
    }.flatten
    if (account == Accounts.Steps || refused.isEmpty) None
    else Some(s"an analyst sets nothing when connecting: ${refused.mkString(", ")} is refused; leave it out")
  }
}

/**
 * Marks each session with its account, and lets an analyst set nothing. A client may send settings with its first
 * request, and the server obeys: among them are the JVM's own properties (`set:system:`), and Spark's, which can name
 * classes to load.
 */
private class Door(cli: CLIService, session: SparkSession) extends Sessions(cli) {
  override def OpenSession(request: TOpenSessionReq): TOpenSessionResp = {
    val account = TSetIpAddressProcessor.getUserName
    val sent = Option(request.getConfiguration).fold(Map.empty[String, String])(_.asScala.toMap)
    Door.refusal(account, sent) match {
      case Some(refusal) =>
        val response = new TOpenSessionResp()
        response.setStatus(HiveSQLException.toTStatus(new HiveSQLException(refusal)))
        response
      case None =>
        val marked: JMap[String, String] = new JHashMap((sent + (s"set:hiveconf:${Accounts.Mark}" -> account)).asJava)
        request.setConfiguration(marked)
        Warehouse.know(session) // else a JDBC client, which asks Spark's own list, is not shown tables made since
        super.OpenSession(request)
    }
  }

  override def ExecuteStatement(request: TExecuteStatementReq): TExecuteStatementResp = {
    if (TSetIpAddressProcessor.getUserName != Accounts.Steps) request.unsetConfOverlay()
    super.ExecuteStatement(request)
  }
}

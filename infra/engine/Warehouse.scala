package kho

import java.net.URI
import java.nio.file.{Files, Path, Paths}
import java.time.Instant
import java.util.Locale.ROOT

import scala.jdk.CollectionConverters._
import scala.util.Using
import scala.util.control.NonFatal

import org.apache.hadoop.fs.{Path => HadoopPath}
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.TableIdentifier
import org.apache.spark.sql.catalyst.catalog.{CatalogDatabase, CatalogStorageFormat, CatalogTable, CatalogTableType}
import org.apache.spark.sql.delta.DeltaLog
import org.apache.spark.sql.types.StructType
import org.slf4j.LoggerFactory

/**
 * What an engine knows of tables: that they lie in the warehouse, `<schema>.db/<table>`. All else their Delta logs say,
 * so its catalogue needs no memory beyond its own. A view is dbt's, which makes it anew.
 */
object Warehouse {
  private val logger = LoggerFactory.getLogger("kho.Warehouse")
  private val schema = raw"([a-z0-9_]+)\.db".r
  private val table = "[a-z0-9_]+".r // what somebody put aside under another name is none
  private val commit = raw"\d{20}\.(json|checkpoint.*)".r

  /** When an engine starts: all tables there are, and the schemas that analysts read, in which they may begin. */
  def begin(session: SparkSession): Unit = {
    Readable.Schemas.foreach(create(session, _))
    know(session, _ => true)
  }

  /** All tables that came since. */
  def know(session: SparkSession): Unit = know(session, isNotOurs)

  /** All tables of a schema that came since. */
  def know(session: SparkSession, name: String): Unit = know(session, name, isNotOurs)

  /** A table that came since. */
  def find(session: SparkSession, schema: String, name: String): Unit = find(session, schema, name, isNotOurs)

  private def know(session: SparkSession, isWanted: Path => Boolean): Unit =
    for (schema(name) <- names(warehouse(session))) know(session, name, isWanted)

  private def know(session: SparkSession, name: String, isWanted: Path => Boolean): Unit =
    for (table <- names(warehouse(session).resolve(s"$name.db"))) find(session, name, table, isWanted)

  private def find(session: SparkSession, schema: String, name: String, isWanted: Path => Boolean): Unit = {
    val wanted = TableIdentifier(name.toLowerCase(ROOT), Some(schema.toLowerCase(ROOT)))
    lazy val folder = warehouse(session).resolve(s"${wanted.database.get}.db").resolve(wanted.table)
    if (!session.sessionState.catalog.tableExists(wanted) && isTable(folder) && isWanted(folder)) {
      create(session, wanted.database.get)
      adopt(session, wanted)
    }
  }

  private def create(session: SparkSession, schema: String): Unit = {
    val catalog = session.sessionState.catalog
    catalog.createDatabase(CatalogDatabase(schema, "", catalog.getDefaultDBPath(schema), Map.empty), ignoreIfExists = true)
  }

  private def warehouse(session: SparkSession): Path =
    Paths.get(new HadoopPath(session.conf.get("spark.sql.warehouse.dir")).toUri.getPath)

  private def adopt(session: SparkSession, name: TableIdentifier): Unit = {
    val location = session.sessionState.catalog.defaultTablePath(name)
    val found = CatalogTable(
      name,
      CatalogTableType.MANAGED,
      CatalogStorageFormat.empty.copy(locationUri = Some(location)),
      schema = if (name.database.exists(Readable.Schemas)) columns(session, name, location) else new StructType,
      provider = Some("delta"))
    session.sessionState.catalog.createTable(found, ignoreIfExists = true, validateLocation = false)
  }

  /** For an analyst's JDBC client, which asks the catalogue; Delta asks its log. */
  private def columns(session: SparkSession, name: TableIdentifier, location: URI): StructType =
    try DeltaLog.forTable(session, new HadoopPath(location)).update().schema
    catch {
      case NonFatal(error) => // whoever reads the table is told; the others are not kept from theirs
        logger.warn(s"${name.unquotedString} is there, but its log cannot be read: ${error.getMessage}")
        new StructType
    }

  /**
   * Whether this engine is not just making it: it writes a table's first commit, and then tells the catalogue, which
   * refuses what it knows already.
   */
  private val isNotOurs: Path => Boolean = folder => {
    val first = folder.resolve("_delta_log").resolve("0" * 20 + ".json")
    !Files.exists(first) || !Files.readString(first).contains("\"engineInfo\":\"Apache-Spark") ||
      Files.getLastModifiedTime(first).toInstant.isBefore(Instant.now.minusSeconds(60))
  }

  /** A table whose creation was killed before its first commit is none. */
  private def isTable(folder: Path): Boolean =
    table.matches(folder.getFileName.toString) && names(folder.resolve("_delta_log")).exists(commit.matches)

  private def names(folder: Path): Seq[String] =
    if (!Files.isDirectory(folder)) Nil
    else Using.resource(Files.list(folder))(_.iterator.asScala.map(_.getFileName.toString).toSeq.sorted)
}

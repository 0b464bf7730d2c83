package kho

import java.net.URI
import java.nio.file.{Files, Path, Paths}

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
 * What an engine that starts knows of tables: that they lie in the warehouse, `<schema>.db/<table>`. All else their
 * Delta logs say, so its catalogue needs no memory beyond its own. A view is dbt's, which makes it anew.
 */
object Warehouse {
  private val logger = LoggerFactory.getLogger("kho.Warehouse")
  private val schema = raw"([a-z0-9_]+)\.db".r
  private val table = "[a-z0-9_]+".r // what somebody put aside under another name is none
  private val commit = raw"\d{20}\.(json|checkpoint.*)".r

  def know(session: SparkSession): Unit = {
    val catalog = session.sessionState.catalog
    val warehouse = Paths.get(new HadoopPath(session.conf.get("spark.sql.warehouse.dir")).toUri.getPath)
    for (folder @ schema(name) <- names(warehouse)) {
      catalog.createDatabase(CatalogDatabase(name, "", catalog.getDefaultDBPath(name), Map.empty), ignoreIfExists = true)
      for (known <- names(warehouse.resolve(folder)) if isTable(warehouse.resolve(folder).resolve(known)))
        adopt(session, TableIdentifier(known, Some(name)))
    }
  }

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

  /** A table whose creation was killed before its first commit is none. */
  private def isTable(folder: Path): Boolean =
    table.matches(folder.getFileName.toString) && names(folder.resolve("_delta_log")).exists(commit.matches)

  private def names(folder: Path): Seq[String] =
    if (!Files.isDirectory(folder)) Nil
    else Using.resource(Files.list(folder))(_.iterator.asScala.map(_.getFileName.toString).toSeq.sorted)
}

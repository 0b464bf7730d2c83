package kho

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.connector.catalog.{Identifier, Table}
import org.apache.spark.sql.delta.catalog.DeltaCatalog

/** Delta's catalogue, which also finds tables that came into the warehouse since the engine started: steps make them. */
class Catalog extends DeltaCatalog {
  override def loadTable(name: Identifier): Table = { find(name); super.loadTable(name) }
  override def loadTable(name: Identifier, version: String): Table = { find(name); super.loadTable(name, version) }
  override def loadTable(name: Identifier, moment: Long): Table = { find(name); super.loadTable(name, moment) }
  override def tableExists(name: Identifier): Boolean = { find(name); super.tableExists(name) }
  override def dropTable(name: Identifier): Boolean = { find(name); super.dropTable(name) }

  override def listTables(schema: Array[String]): Array[Identifier] = {
    if (schema.length == 1) Warehouse.know(SparkSession.active, schema.head)
    super.listTables(schema)
  }

  private def find(name: Identifier): Unit =
    if (name.namespace.length == 1) Warehouse.find(SparkSession.active, name.namespace.head, name.name)
}

package kho

import org.apache.hadoop.fs.Path
import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.analysis.{ResolvedNamespace, ResolvedTable, UpdateAttributeNullability}
import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, CallMethodViaReflection, Expression}
import org.apache.spark.sql.catalyst.expressions.{Literal, SubqueryExpression, UserDefinedExpression}
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.datasources.{HadoopFsRelation, LogicalRelation}

/** What Spark loads: for a session that may not do all, each statement is checked when read and when understood. */
class Guard extends (SparkSessionExtensions => Unit) {
  override def apply(extensions: SparkSessionExtensions): Unit = {
    extensions.injectParser((session, parser) => new GuardedParser(session, parser))
    extensions.injectPostHocResolutionRule(session => new Mask(session))
    extensions.injectCheckRule(session => new Check(session))
  }
}

/** The tables that an analyst reads. */
object Readable {
  val Schemas: Set[String] = Set("city", "open", "reference")
  val Catalog = "spark_catalog"

  def refused(what: String): Nothing =
    throw new Refused(s"an analyst reads the schemas city, open and reference: $what is closed")

  /** Whether a relation is one of them: by its name, and by lying where such a table lies. */
  def isReadable(session: SparkSession, relation: LogicalRelation): Boolean = {
    val roots = relation.relation match {
      case files: HadoopFsRelation => files.location.rootPaths.map(_.toUri.getPath)
      case _ => Nil
    }
    relation.catalogTable.flatMap(_.identifier.database).filter(Schemas).exists { schema =>
      val warehouse = new Path(session.conf.get("spark.sql.warehouse.dir"))
      roots == Seq(new Path(warehouse, s"$schema.db/${relation.catalogTable.get.identifier.table}").toUri.getPath)
    }
  }

  /** The columns of a readable table that may hold personal data. Code lists have no contract: they are public. */
  def closedColumns(relation: LogicalRelation): Seq[Attribute] = {
    val name = relation.catalogTable.get.identifier
    if (name.database.contains("reference")) Nil
    else {
      val free = Contracts.freeColumns(name.table)
      relation.output.filterNot(column => free(column.name))
    }
  }
}

/**
 * Puts NULL where a column may hold personal data, directly above the table, so that `select *` works and whatever is
 * computed, compared or joined sees NULL too.
 *
 * The table gets new column ids, and those by which the query knows its columns become those of the projection: with
 * one id for both, Spark's optimizer takes a projection for superfluous and removes it (RemoveNoopOperators).
 */
class Mask(session: SparkSession) extends Rule[LogicalPlan] {
  override def apply(plan: LogicalPlan): LogicalPlan =
    if (Accounts.mayDoAll(session)) plan
    else
      AnalysisHelper.allowInvokingTransformsInAnalyzer {
        UpdateAttributeNullability(plan.transformUpWithSubqueries {
          case table: LogicalRelation if Readable.isReadable(session, table) => masked(table)
        })
      }

  private def masked(table: LogicalRelation): LogicalPlan = {
    val closed = Readable.closedColumns(table).map(_.exprId).toSet
    if (closed.isEmpty) table
    else {
      val hidden = table.newInstance()
      val columns = table.output.zip(hidden.output).map { case (known, anew) =>
        val value = if (closed(known.exprId)) Literal(null, known.dataType) else anew
        Alias(value, known.name)(exprId = known.exprId, qualifier = known.qualifier)
      }
      Project(columns, hidden)
    }
  }
}

/** Refuses a statement that was understood unless all that it reads may be read, personal columns under their mask. */
class Check(session: SparkSession) extends (LogicalPlan => Unit) {
  override def apply(plan: LogicalPlan): Unit = if (!Accounts.mayDoAll(session)) walk(plan, None)

  private def walk(plan: LogicalPlan, above: Option[LogicalPlan]): Unit = {
    checkPlan(plan, above)
    plan.expressions.foreach(_.foreach(checkExpression))
    plan.children.foreach(walk(_, Some(plan)))
  }

  private def checkPlan(plan: LogicalPlan, above: Option[LogicalPlan]): Unit = plan match {
    case table: LogicalRelation =>
      if (!Readable.isReadable(session, table))
        Readable.refused(table.catalogTable.fold("a file or a source")(_.identifier.unquotedString))
      val closed = Readable.closedColumns(table).map(_.exprId).toSet
      if (closed.nonEmpty && !above.exists(isMask(_, closed))) Readable.refused(closed.mkString(", "))
    case _: OneRowRelation | _: LocalRelation | _: Range | _: CTERelationRef | _: UnionLoopRef | _: CommandResult =>
    case _: ResolvedNamespace =>
    case table: ResolvedTable if table.identifier.namespace.forall(Readable.Schemas) =>
    case command: Command if Statements.Understood(command.getClass.getSimpleName) =>
    case inner if inner.children.nonEmpty && !inner.isInstanceOf[Command] && !inner.isInstanceOf[ScriptTransformation] =>
    case other => Statements.refused(other.nodeName)
  }

  private def isMask(plan: LogicalPlan, closed: Set[_]): Boolean = plan match {
    case project: Project => !project.references.exists(column => closed.asInstanceOf[Set[Any]](column.exprId))
    case _ => false
  }

  private def checkExpression(expression: Expression): Unit = expression match {
    case subquery: SubqueryExpression => walk(subquery.plan, None)
    case _: UserDefinedExpression | _: CallMethodViaReflection => Statements.refused(expression.prettyName)
    case _ =>
  }
}

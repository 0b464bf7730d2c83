package kho

import org.apache.hadoop.fs.Path
import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.analysis.{ResolvedNamespace, ResolvedTable, UpdateAttributeNullability}
import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, CallMethodViaReflection, ExprId}
import org.apache.spark.sql.catalyst.expressions.{Expression, Literal, SubqueryExpression, UserDefinedExpression}
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.datasources.{HadoopFsRelation, LogicalRelation}

/** What Spark loads: a statement of who may not do all is checked when it is read, and when it is understood. */
class Guard extends (SparkSessionExtensions => Unit) {
  override def apply(extensions: SparkSessionExtensions): Unit = {
    extensions.injectParser((session, parser) => new GuardedParser(session, parser))
    extensions.injectPostHocResolutionRule(session => new Watch(session))
  }
}

/**
 * Stands above a statement that the parser was given by who may not do all, until it is understood; one that it still
 * stood above could not be run. Delta asks for its logs with plans of its own, in the same session: those have none.
 */
case class Guarded(child: LogicalPlan) extends UnaryNode {
  override def output: Seq[Attribute] = child.output
  override protected def withNewChildInternal(anew: LogicalPlan): Guarded = copy(child = anew)
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

  /** The columns of a readable table that may hold personal data. What has no contract, and is public, has none. */
  def closedColumns(relation: LogicalRelation): Seq[Attribute] = {
    val name = relation.catalogTable.get.identifier
    if (name.database.contains("reference") || (name.database.contains("city") && name.table == "releases")) Nil
    else {
      val free = Contracts.freeColumns(name.table)
      relation.output.filterNot(column => free(column.name))
    }
  }
}

/** Masks and checks what a guarded statement turned out to be: all of the plan, for CTEs may stand above the guard. */
class Watch(session: SparkSession) extends Rule[LogicalPlan] {
  private val mask = new Mask(session)
  private val check = new Check(session)

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.exists(_.isInstanceOf[Guarded]) || !plan.resolved) plan // else Spark says what it did not understand
    else
      AnalysisHelper.allowInvokingTransformsInAnalyzer {
        val masked = mask(plan.transformUp { case Guarded(statement) => statement })
        check(masked)
        masked
      }
}

/**
 * Puts NULL where a column may hold personal data, directly above the table, so that `select *` works and whatever is
 * computed, compared or joined sees NULL too.
 *
 * The table gets new column ids, and those by which the query knows its columns become those of the projection: with
 * one id for both, Spark's optimizer takes a projection for superfluous and removes it (RemoveNoopOperators).
 */
private class Mask(session: SparkSession) {
  def apply(plan: LogicalPlan): LogicalPlan =
    UpdateAttributeNullability(plan.transformUpWithSubqueries {
      case table: LogicalRelation if Readable.isReadable(session, table) => masked(table)
    })

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
private class Check(session: SparkSession) {
  def apply(plan: LogicalPlan): Unit = walk(plan, None)

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
      if (closed.nonEmpty && !above.exists(isMask(_, closed)))
        Readable.refused(s"what may be personal in ${table.catalogTable.get.identifier.unquotedString}")
    case _: OneRowRelation | _: LocalRelation | _: Range | _: CTERelationRef | _: UnionLoopRef | _: CommandResult =>
    case _: ResolvedNamespace =>
    case table: ResolvedTable =>
      if (!table.identifier.namespace.forall(Readable.Schemas)) Readable.refused(table.identifier.toString)
    case command: Command if Statements.Understood(command.getClass.getSimpleName) =>
    case _: Command | _: ScriptTransformation | _: LeafNode => Statements.refused(plan.nodeName)
    case _ =>
  }

  private def isMask(plan: LogicalPlan, closed: Set[ExprId]): Boolean = plan match {
    case project: Project => !project.references.exists(column => closed(column.exprId))
    case _ => false
  }

  private def checkExpression(expression: Expression): Unit = expression match {
    case subquery: SubqueryExpression => walk(subquery.plan, None)
    case _: UserDefinedExpression | _: CallMethodViaReflection => Statements.refused(expression.prettyName)
    case _ =>
  }
}

package kho

import java.util.Locale.ROOT

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.catalyst.{FunctionIdentifier, TableIdentifier}
import org.apache.spark.sql.catalyst.analysis._
import org.apache.spark.sql.catalyst.expressions.{Expression, PipeOperator}
import org.apache.spark.sql.catalyst.parser.{ParameterContext, ParserInterface}
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.execution.command._
import org.apache.spark.sql.types.{DataType, StructType}

/** What an analyst may say: lists of what is allowed, and all that is not on them is refused. */
object Statements {
  def refused(what: String): Nothing = throw new Refused(
    s"an analyst reads: $what is not allowed; SELECT, WITH, EXPLAIN, DESCRIBE, USE and SHOW of schemas, tables, " +
      "columns and functions are")

  /** Statements and parts of queries, as the parser gives them. */
  private val plans: Set[Class[_]] = Set(
    classOf[Aggregate], classOf[Distinct], classOf[Except], classOf[Filter], classOf[Generate], classOf[GlobalLimit],
    classOf[Intersect], classOf[Join], classOf[LateralJoin], classOf[LocalLimit], classOf[LocalRelation],
    classOf[Offset], classOf[OneRowRelation], classOf[PipeOperator], classOf[Pivot], classOf[Project],
    classOf[RelationTimeTravel], classOf[RepartitionByExpression], classOf[Sample], classOf[Sort], classOf[SubqueryAlias], classOf[Union],
    classOf[Unpivot], classOf[UnresolvedHaving], classOf[UnresolvedHint], classOf[UnresolvedInlineTable],
    classOf[UnresolvedRelation], classOf[UnresolvedSubqueryColumnAliases], classOf[UnresolvedTableValuedFunction],
    classOf[UnresolvedTVFAliases], classOf[UnresolvedWith], classOf[Window], classOf[WithWindowDefinition],
    classOf[DescribeQueryCommand], classOf[DescribeRelation], classOf[ExplainCommand], classOf[SetCatalogAndNamespace],
    classOf[ShowColumns], classOf[ShowCurrentNamespaceCommand], classOf[ShowFunctions], classOf[ShowNamespacesCommand],
    classOf[ShowTables], classOf[UnresolvedNamespace], classOf[CurrentNamespace.type], classOf[UnresolvedTableOrView]
  )

  /** The statements among them, as the analyzer gives them: by name, for some are Spark's private classes. */
  val Understood: Set[String] = Set(
    "DescribeQueryCommand", "DescribeRelation", "DescribeTableCommand", "ExplainCommand", "SetCatalogAndNamespace",
    "SetNamespaceCommand", "ShowColumns", "ShowColumnsCommand", "ShowCurrentNamespaceCommand",
    "ShowDeltaTableColumnsCommand", "ShowFunctions", "ShowFunctionsCommand", "ShowNamespaces",
    "ShowNamespacesCommand", "ShowTables", "ShowTablesCommand"
  )

  /** Built-in functions come in groups; `misc_funcs` has those that call Java, `xml_funcs` those that read schemas. */
  private val groups: Set[String] = Set(
    "agg_funcs", "array_funcs", "bitwise_funcs", "collection_funcs", "conditional_funcs", "conversion_funcs",
    "csv_funcs", "datetime_funcs", "generator_funcs", "hash_funcs", "json_funcs", "lambda_funcs", "map_funcs",
    "math_funcs", "predicate_funcs", "string_funcs", "struct_funcs", "url_funcs", "variant_funcs", "window_funcs"
  )
  private val alsoAllowed: Set[String] = Set(
    "assert_true", "current_catalog", "current_database", "current_schema", "current_user", "raise_error",
    "session_user", "typeof", "user", "uuid", "version"
  )
  private val tableFunctions: Set[String] = Set(
    "explode", "explode_outer", "inline", "inline_outer", "json_tuple", "posexplode", "posexplode_outer", "range",
    "stack", "variant_explode", "variant_explode_outer"
  )
  private lazy val functions: Set[String] = alsoAllowed ++ FunctionRegistry.builtin.listFunction().collect {
    case name if FunctionRegistry.builtin.lookupFunction(name).exists(info => groups(info.getGroup)) => name.funcName
  }

  /** Refuses a parsed statement for anything in it, however deep. */
  def check(thing: Any): Unit = {
    thing match {
      case plan: LogicalPlan => checkPlan(plan)
      case expression: Expression => checkExpression(expression)
      case _ =>
    }
    thing match {
      case several: Iterable[_] => several.foreach(check)
      case whole: Product => whole.productIterator.foreach(check)
      case _ =>
    }
  }

  private def checkPlan(plan: LogicalPlan): Unit = plan match {
    case other if !plans(other.getClass) => refused(other.nodeName)
    case table: UnresolvedRelation =>
      if (!table.options.isEmpty || table.isStreaming) refused("an option of a table")
      checkName(table.multipartIdentifier)
    case table: UnresolvedTableOrView => checkName(table.multipartIdentifier)
    case table: DescribeRelation if table.partitionSpec.nonEmpty => refused("DESCRIBE of a partition")
    case function: UnresolvedTableValuedFunction => checkFunction(function.name, tableFunctions)
    case _ =>
  }

  /** A name of one word may be a part of the query itself: what it turns out to be is checked later. */
  private def checkName(words: Seq[String]): Unit = {
    val parts = words.map(_.toLowerCase(ROOT)) match {
      case Readable.Catalog +: rest if rest.size > 1 => rest
      case all => all
    }
    val isOpen = parts.size == 1 || (parts.size == 2 && Readable.Schemas(parts.head))
    if (!isOpen) Readable.refused(words.init.mkString("."))
  }

  private def checkExpression(expression: Expression): Unit = expression match {
    case function: UnresolvedFunction => checkFunction(function.nameParts, functions)
    case generator: UnresolvedGenerator => checkFunction(generator.name.nameParts, tableFunctions)
    case other =>
      val name = other.getClass.getName
      val isKnown = name.startsWith("org.apache.spark.sql.catalyst.expressions.") ||
        unresolved(other.getClass.getSimpleName.stripSuffix("$"))
      if (!isKnown) refused(other.getClass.getSimpleName)
  }

  /** Expressions that the parser makes and the analyzer replaces; not those that compute a name. */
  private val unresolved: Set[String] = Set(
    "MultiAlias", "UnresolvedAlias", "UnresolvedAttribute", "UnresolvedCollation", "UnresolvedExtractValue",
    "UnresolvedNamedLambdaVariable", "UnresolvedOrdinal", "UnresolvedRegex", "UnresolvedStar",
    "UnresolvedStarExceptOrReplace", "UnresolvedWindowExpression"
  )

  private def checkFunction(words: Seq[String], allowed: Set[String]): Unit =
    if (words.size != 1 || !allowed(words.head.toLowerCase(ROOT))) refused(s"the function ${words.mkString(".")}")
}

/** Spark's parser, whose results are checked for those who may not do all. */
class GuardedParser(session: SparkSession, parser: ParserInterface) extends ParserInterface {
  private def checked(plan: LogicalPlan): LogicalPlan = {
    if (Accounts.mayDoAll(session)) plan
    else {
      Statements.check(plan)
      Guarded(plan match {
        case explain: ExplainCommand => explain.copy(logicalPlan = Guarded(explain.logicalPlan))
        case describe: DescribeQueryCommand => describe.copy(plan = Guarded(describe.plan))
        case other => other
      })
    }
  }

  override def parsePlan(text: String): LogicalPlan = checked(parser.parsePlan(text))
  override def parsePlanWithParameters(text: String, parameters: ParameterContext): LogicalPlan =
    checked(parser.parsePlanWithParameters(text, parameters))
  override def parseQuery(text: String): LogicalPlan = checked(parser.parseQuery(text))

  override def parseExpression(text: String): Expression = parser.parseExpression(text)
  override def parseTableIdentifier(text: String): TableIdentifier = parser.parseTableIdentifier(text)
  override def parseFunctionIdentifier(text: String): FunctionIdentifier = parser.parseFunctionIdentifier(text)
  override def parseMultipartIdentifier(text: String): Seq[String] = parser.parseMultipartIdentifier(text)
  override def parseTableSchema(text: String): StructType = parser.parseTableSchema(text)
  override def parseDataType(text: String): DataType = parser.parseDataType(text)
  override def parseRoutineParam(text: String): StructType = parser.parseRoutineParam(text)
}

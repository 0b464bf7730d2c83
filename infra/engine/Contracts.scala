package kho

import java.nio.file.{Files, NoSuchFileException, Path, Paths}
import java.util.{Map => JMap}
import java.util.concurrent.ConcurrentHashMap

import scala.jdk.CollectionConverters._
import scala.util.Try

import org.yaml.snakeyaml.{LoaderOptions, Yaml}
import org.yaml.snakeyaml.constructor.SafeConstructor

/**
 * Which columns are free of personal data: those of which the contract says `pii: none`, and no others. The contracts
 * themselves are read, whenever they changed, so that one that gains a personal column counts at once.
 */
object Contracts {
  private val folder = Paths.get(System.getProperty("kho.contracts"), "city")
  private val read = new ConcurrentHashMap[Path, (AnyRef, Set[String])]

  /** The free columns of a table of the city, or of what is open of it; none of a table without a readable contract. */
  def freeColumns(table: String): Set[String] = {
    val path = folder.resolve(s"$table.yml")
    try {
      val state = (Files.getLastModifiedTime(path), Files.size(path))
      read.compute(path, (_, known) => if (known != null && known._1 == state) known else (state, parse(path)))._2
    } catch { case _: NoSuchFileException => Set.empty }
  }

  private def parse(path: Path): Set[String] = {
    val options = new LoaderOptions
    options.setAllowDuplicateKeys(false)
    Try {
      val contract = new Yaml(new SafeConstructor(options)).load[JMap[String, AnyRef]](Files.readString(path))
      val columns = contract.get("columns").asInstanceOf[JMap[String, JMap[String, AnyRef]]].asScala
      columns.collect { case (name, words) if words.get("pii") == "none" => name }.toSet
    }.getOrElse(Set.empty) // half-written, or no contract: all of its columns count as personal
  }
}

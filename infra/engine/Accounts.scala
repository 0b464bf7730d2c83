package kho

import java.io.IOException
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.security.MessageDigest
import javax.security.sasl.AuthenticationException

import org.apache.hadoop.security.UserGroupInformation
import org.apache.hive.service.auth.PasswdAuthenticationProvider
import org.apache.spark.sql.SparkSession

/** What an account may not do, in words. Without a stack: nothing broke. */
class Refused(message: String) extends RuntimeException(message, null, false, false)

/** The two accounts of the Thrift door: the steps may do all, an analyst may read. */
object Accounts {
  val Steps = "kho"
  val Analyst = "analyst"

  /** The setting of a session that says whom it serves; the door writes it, and no client may. */
  val Mark = "spark.kho.account"

  /**
   * Whether this session may do all. Two things tell who asks: the mark, and the user as whom the Thrift server runs
   * what it is asked for, which for the steps is the engine's own. Where they disagree, or a name is unknown, the answer
   * is no. A session without a mark is the engine's own or one of Spark Connect, which nobody opens without its token.
   */
  def mayDoAll(session: SparkSession): Boolean = {
    val isEngine = UserGroupInformation.getCurrentUser == UserGroupInformation.getLoginUser
    isEngine && session.conf.getOption(Mark).forall(_ == Steps)
  }
}

/** Compares a password with the file of its account, read anew each time: a changed one counts at once. */
class Passwords extends PasswdAuthenticationProvider {
  override def Authenticate(user: String, password: String): Unit = {
    val isRight = Passwords.fileOf(user).exists { file =>
      try MessageDigest.isEqual(digest(Files.readString(file)), digest(String.valueOf(password)))
      catch { case _: IOException => false }
    }
    if (!isRight) throw new AuthenticationException("no such account, or another password")
  }

  private def digest(text: String): Array[Byte] = MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8))
}

object Passwords {
  private val folder: Path = Paths.get(System.getProperty("kho.secrets"))

  def fileOf(user: String): Option[Path] = user match {
    case Accounts.Steps | Accounts.Analyst => Some(folder.resolve(s"engine-$user"))
    case _ => None
  }
}

package kho

import java.net.URI
import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{ChecksumFs, DelegateToFileSystem, FileStatus, FsConstants}
import org.apache.hadoop.fs.{LocalFileSystem, Path, RawLocalFileSystem}
import org.apache.hadoop.fs.permission.FsPermission

/**
 * The machine's disk as Hadoop uses it, but for two questions that Hadoop, without its library of machine code, puts to
 * `chmod` and `readlink`: it started twenty processes for each table that was written.
 */
class Disk extends RawLocalFileSystem {
  override def setPermission(path: Path, wanted: FsPermission): Unit =
    if (wanted.getStickyBit) super.setPermission(path, wanted)
    else {
      val letters = Seq(wanted.getUserAction, wanted.getGroupAction, wanted.getOtherAction).map(_.SYMBOL).mkString
      Files.setPosixFilePermissions(pathToFile(path).toPath, PosixFilePermissions.fromString(letters))
    }

  override def getFileLinkStatus(path: Path): FileStatus =
    if (Files.isSymbolicLink(pathToFile(path).toPath)) super.getFileLinkStatus(path) else getFileStatus(path)
}

/** With checksums beside the files: what Hadoop's `FileSystem` opens for `file:`. */
class LocalDisk extends LocalFileSystem(new Disk)

private class BareDisk(conf: Configuration)
    extends DelegateToFileSystem(FsConstants.LOCAL_FS_URI, new Disk, conf, "file", false) {
  override def getUriDefaultPort: Int = -1
}

/** The same for Hadoop's `FileContext`, by which Delta commits. It makes one with an address, here always the same. */
class LocalDiskContext(address: URI, conf: Configuration) extends ChecksumFs(new BareDisk(conf))

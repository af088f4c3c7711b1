package dev.edgedeploy.classifier;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a photo must be turned, read from the bytes of a JPEG, PNG or WebP file.
 *
 * <p>The EXIF tag 0x0112 counts; where there is none, the tiff:Orientation of an XMP packet.
 * Whatever makes no sense counts as upright: a photo with damaged EXIF is still a photo.
 */
final class ExifOrientation {
    private static final int TAG = 0x0112;
    private static final int UPRIGHT = 1;
    private static final byte[] EXIF = ascii("Exif\0\0");
    private static final byte[] XMP = ascii("http://ns.adobe.com/xap/1.0/\0");
    private static final byte[] XMP_KEYWORD = ascii("XML:com.adobe.xmp\0");
    private static final Pattern XMP_TAG = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");

    private int exif;
    private int xmp;

    private ExifOrientation() {}

    /** 1 to 8; 1 where the file says nothing of sense. */
    static int of(byte[] file) {
        ExifOrientation found = new ExifOrientation();
        if (startsWith(file, 0, PhotoFile.JPEG)) {
            found.readJpeg(file);
        } else if (startsWith(file, 0, PhotoFile.PNG)) {
            found.readPng(file);
        } else if (PhotoFile.isWebp(file)) {
            found.readWebp(file);
        }
        int value = found.exif != 0 ? found.exif : found.xmp;
        return value >= 1 && value <= 8 ? value : UPRIGHT;
    }

    private void readJpeg(byte[] file) {
        int at = 2;
        while (at + 4 <= file.length && file[at] == (byte) 0xff) {
            int marker = file[at + 1] & 0xff;
            if (marker == 0xff) { // padding
                at++;
                continue;
            }
            if (marker == 0xda || marker == 0xd9) {
                return;
            }
            int length = PhotoFile.bigEndian(file, at + 2, 2);
            int start = at + 4;
            int end = Math.min(at + 2 + length, file.length);
            if (marker == 0xe1 && startsWith(file, start, EXIF)) {
                readTiff(file, start + EXIF.length, end);
            } else if (marker == 0xe1 && startsWith(file, start, XMP)) {
                readXmp(file, start + XMP.length, end);
            }
            at += 2 + Math.max(2, length);
        }
    }

    private void readPng(byte[] file) {
        int at = PhotoFile.PNG.length;
        while (at + 12 <= file.length) {
            int length = PhotoFile.bigEndian(file, at, 4);
            if (length < 0 || length > file.length - at - 12) {
                return;
            }
            int start = at + 8;
            int end = start + length;
            if (startsWith(file, at + 4, ascii("eXIf"))) {
                boolean prefixed = startsWith(file, start, EXIF);
                readTiff(file, prefixed ? start + EXIF.length : start, end);
            } else if (startsWith(file, at + 4, ascii("iTXt"))
                    && startsWith(file, start, XMP_KEYWORD)) {
                readXmp(file, start + XMP_KEYWORD.length, end);
            }
            at = end + 4;
        }
    }

    private void readWebp(byte[] file) {
        int at = 12;
        while (at + 8 <= file.length) {
            int length = ByteBuffer.wrap(file, at + 4, 4).order(ByteOrder.LITTLE_ENDIAN).getInt();
            if (length < 0 || length > file.length - at - 8) {
                return;
            }
            int start = at + 8;
            if (startsWith(file, at, ascii("EXIF"))) {
                boolean prefixed = startsWith(file, start, EXIF);
                readTiff(file, prefixed ? start + EXIF.length : start, start + length);
            } else if (startsWith(file, at, ascii("XMP "))) {
                readXmp(file, start, start + length);
            }
            at = start + length + (length & 1);
        }
    }

    /** The first directory of a TIFF block from {@code start} to {@code end}. */
    private void readTiff(byte[] file, int start, int end) {
        if (exif != 0 || end - start < 8) {
            return;
        }
        boolean little = file[start] == 'I' && file[start + 1] == 'I';
        boolean big = file[start] == 'M' && file[start + 1] == 'M';
        ByteBuffer tiff = ByteBuffer.wrap(file, start, end - start).slice()
                .order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long directory = tiff.getInt(4) & 0xffffffffL;
        if (!little && !big || tiff.getShort(2) != 42 || directory + 2 > tiff.limit()) {
            return;
        }
        int at = (int) directory;
        int count = tiff.getShort(at) & 0xffff;
        at += 2;
        for (int i = 0; i < count && at + 12 <= tiff.limit(); i++, at += 12) {
            if ((tiff.getShort(at) & 0xffff) == TAG) {
                int value = value(tiff, at);
                exif = value == 0 ? -1 : value;
                return;
            }
        }
    }

    /** The number in a directory's entry, -1 where there is something else. */
    private static int value(ByteBuffer tiff, int at) {
        int type = tiff.getShort(at + 2);
        int count = tiff.getInt(at + 4);
        if (type == 3 && (count == 1 || count == 2)) { // shorts, of which the first counts
            return tiff.getShort(at + 8) & 0xffff;
        }
        return type == 4 && count == 1 ? tiff.getInt(at + 8) : -1;
    }

    private void readXmp(byte[] file, int start, int end) {
        if (start >= end || xmp != 0) {
            return;
        }
        String packet = new String(file, start, end - start, StandardCharsets.ISO_8859_1);
        Matcher matcher = XMP_TAG.matcher(packet);
        if (matcher.find()) {
            xmp = matcher.group(1).charAt(0) - '0';
        }
    }

    private static boolean startsWith(byte[] file, int at, byte[] wanted) {
        return PhotoFile.startsWith(file, at, wanted);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}

package dev.edgedeploy.classifier.ktx

import android.content.Context
import android.graphics.Bitmap
import android.media.Image
import dev.edgedeploy.classifier.Answer
import dev.edgedeploy.classifier.Classifier as JavaClassifier
import dev.edgedeploy.classifier.Delegate
import dev.edgedeploy.classifier.Options
import dev.edgedeploy.classifier.SelfTest
import java.io.Closeable
import java.io.File
import java.io.InputStream
import java.nio.ByteBuffer

/**
 * One class with its [score], a fraction from 0 to 1; [index] is its number among the model's
 * outputs and [raw] what `edge-deploy run` prints.
 */
data class Result(val label: String, val index: Int, val score: Float, val raw: Float)

/** The best classes, best first, and what the answer took in milliseconds. */
data class Classification(val results: List<Result>, val totalMs: Double) {
    /** The best class. */
    val best: Result get() = results.first()
}

/**
 * Classifies photos with one model, offline, with the answers of the notebook.
 *
 * ```
 * Classifier(context).use { classifier ->
 *     val best = classifier.classify(bitmap).best
 * }
 * ```
 *
 * All functions may be called from several threads, and take milliseconds: do not call on the main
 * thread. Whatever cannot be done is a `ClassifierException` with one sentence.
 */
class Classifier private constructor(private val inner: JavaClassifier) : Closeable {
    /** Opens the model in the app's assets; its sha256 is checked. */
    constructor(
        context: Context,
        threads: Int = Options.defaults().threads(),
        delegate: Delegate = Delegate.XNNPACK,
        assetFolder: String = Options.defaults().assetFolder(),
        topK: Int = Options.defaults().topK(),
    ) : this(
        JavaClassifier.fromAssets(
            context, options(threads, delegate, topK).assetFolder(assetFolder),
        ),
    )

    /** Opens the same files in a folder, such as a downloaded model's. */
    constructor(
        folder: File,
        threads: Int = Options.defaults().threads(),
        delegate: Delegate = Delegate.XNNPACK,
        topK: Int = Options.defaults().topK(),
    ) : this(JavaClassifier.fromFolder(folder, options(threads, delegate, topK)))

    /** The names of the classes by their number; empty where the model has none. */
    val labels: List<String> get() = inner.labels()

    /** An upright bitmap; transparency is dropped. */
    fun classify(bitmap: Bitmap): Classification = inner.classify(bitmap).toKotlin()

    /** A JPEG or PNG, turned as its EXIF says; the stream is read to its end and stays open. */
    fun classify(stream: InputStream): Classification = inner.classify(stream).toKotlin()

    /**
     * A camera frame of YUV_420_888, turned clockwise by 0, 90, 180 or 270 degrees; of CameraX:
     * `proxy.use { classifier.classify(it.image!!, it.imageInfo.rotationDegrees) }`.
     */
    fun classify(image: Image, rotation: Int = 0): Classification =
        inner.classify(image, rotation).toKotlin()

    /** Upright pixels, 0xAARRGGBB row by row, not premultiplied. */
    fun classify(argb: IntArray, width: Int, height: Int): Classification =
        inner.classifyPixels(argb, width, height).toKotlin()

    /** A frame of 4:2:0 in three planes Y, U, V; strides in bytes, for each plane. */
    fun classifyYuv(
        planes: List<ByteBuffer>,
        rowStrides: IntArray,
        pixelStrides: IntArray,
        width: Int,
        height: Int,
        rotation: Int = 0,
    ): Classification = inner.classifyYuv(
        planes.toTypedArray(), rowStrides, pixelStrides, width, height, rotation,
    ).toKotlin()

    /** Holds the model's answers on this phone against those of the machine that built it. */
    fun selfTest(): SelfTest = inner.selfTest()

    override fun close() = inner.close()

    private companion object {
        fun options(threads: Int, delegate: Delegate, topK: Int): Options =
            Options.defaults().threads(threads).delegate(delegate).topK(topK)

        fun Answer.toKotlin() = Classification(
            results().map { Result(it.label(), it.index(), it.score(), it.raw()) },
            timing().totalMs(),
        )
    }
}

package dev.edgedeploy.driver

import dev.edgedeploy.classifier.ClassifierException
import dev.edgedeploy.classifier.Delegate
import dev.edgedeploy.classifier.ktx.Classifier
import java.io.File

/** folder, RGB file, width, height: what the Kotlin facade answers, a class a line. */
fun main(arguments: Array<String>) {
    val bytes = File(arguments[1]).readBytes()
    val (width, height) = arguments.drop(2).map(String::toInt)
    val argb = IntArray(width * height) { i ->
        fun channel(c: Int) = bytes[3 * i + c].toInt() and 0xff
        channel(0) shl 16 or (channel(1) shl 8) or channel(2)
    }
    Classifier(File(arguments[0]), threads = 1, delegate = Delegate.NONE, topK = 2).use {
        val answer = it.classify(argb, width, height)
        check(answer.best == answer.results[0] && answer.totalMs > 0)
        check(it.labels.size >= answer.results.size)
        for ((label, index, score, raw) in answer.results) {
            println("$index|$label|$score|$raw")
        }
    }
    val closed = Classifier(File(arguments[0]))
    closed.close()
    try {
        closed.classify(argb, width, height)
    } catch (error: ClassifierException) {
        println(error.message)
    }
}

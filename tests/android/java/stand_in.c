/* A stand-in for libtensorflowlite_jni.so on a desktop JVM, for tests alone: the natives behind
 * the Java classes of tensorflow-lite 2.16.1, answered by the LiteRT library that the environment
 * variable EDGE_DEPLOY_LITERT_LIBRARY names. No such library for glibc is published; this one runs
 * the published Java classes over the very runtime that Python runs. Delegates are not there. */
#include <jni.h>

#include "platform.h"
#include "session.h"

char *getenv(const char *name);
int memfd_create(const char *name, unsigned flags);
long write(int file, const void *memory, size_t size);

#define METHOD(class_name, name) JNIEXPORT JNICALL Java_org_tensorflow_lite_##class_name##_##name
#define WRAPPER(name) METHOD(NativeInterpreterWrapper, name)
#define TENSOR(name) METHOD(TensorImpl, name)
#define UNUSED (void)env, (void)self

enum { PATH_SIZE = 4096, SENTENCE_SIZE = PROBLEM_SIZE + 64 };
static const char VARIABLE[] = "EDGE_DEPLOY_LITERT_LIBRARY";

typedef struct {
    char path[PATH_SIZE];
    int file;
} Model;

typedef struct {
    Session *session;
    int index;
} Tensor;

static void *at(jlong handle) { return (void *)(intptr_t)handle; }

static jlong number(void *memory) { return (jlong)(intptr_t)memory; }

static void fail(JNIEnv *env, const char *class_name, const char *what, const char *why) {
    char sentence[SENTENCE_SIZE];
    snprintf(sentence, sizeof sentence, "%s: %s", what, why);
    jclass found = (*env)->FindClass(env, class_name);
    if (found != NULL) {
        (*env)->ThrowNew(env, found, sentence);
    }
}

static void bad_argument(JNIEnv *env, const char *what, const char *why) {
    fail(env, "java/lang/IllegalArgumentException", what, why);
}

static jlong size_of_type(int type) {
    switch (type) {
        case 1: case 2: case 16: return 4;
        case 4: case 8: case 11: case 13: return 8;
        case 7: case 10: case 17: return 2;
        case 12: return 16;
        default: return 1;
    }
}

static Slot *slot_of(jlong handle) {
    Tensor *tensor = at(handle);
    return &tensor->session->slots[tensor->index];
}

static jlong bytes_of(Slot *slot) {
    jlong size = size_of_type(slot->type.element_type);
    for (unsigned axis = 0; axis < slot->type.layout.rank; axis++) {
        size *= slot->type.layout.dimensions[axis];
    }
    return size;
}

void METHOD(TensorFlowLite, nativeDoNothing)(JNIEnv *env, jclass self) { UNUSED; }

jstring METHOD(InterpreterFactoryImpl, nativeRuntimeVersion)(JNIEnv *env, jclass self) {
    (void)self;
    return (*env)->NewStringUTF(env, "stand-in");
}

jstring METHOD(InterpreterFactoryImpl, nativeSchemaVersion)(JNIEnv *env, jclass self) {
    (void)self;
    return (*env)->NewStringUTF(env, "3");
}

jlong WRAPPER(createErrorReporter)(JNIEnv *env, jclass self, jint size) {
    UNUSED, (void)size;
    return number(calloc(1, 1));
}

jlong WRAPPER(createModel)(JNIEnv *env, jclass self, jstring path, jlong errors) {
    (void)self, (void)errors;
    Model *model = calloc(1, sizeof *model);
    const char *text = (*env)->GetStringUTFChars(env, path, NULL);
    snprintf(model->path, PATH_SIZE, "%s", text);
    (*env)->ReleaseStringUTFChars(env, path, text);
    model->file = -1;
    return number(model);
}

jlong WRAPPER(createModelWithBuffer)(JNIEnv *env, jclass self, jobject buffer, jlong errors) {
    (void)self, (void)errors;
    const char *bytes = (*env)->GetDirectBufferAddress(env, buffer);
    jlong size = (*env)->GetDirectBufferCapacity(env, buffer);
    Model *model = calloc(1, sizeof *model);
    model->file = memfd_create("edge-deploy-model", 0);
    for (jlong done = 0; done < size;) {
        long written = write(model->file, bytes + done, (size_t)(size - done));
        if (written <= 0) {
            close(model->file);
            free(model);
            bad_argument(env, "Cannot create the model", "no memory for it");
            return 0;
        }
        done += written;
    }
    snprintf(model->path, PATH_SIZE, "/proc/self/fd/%d", model->file);
    return number(model);
}

jlong WRAPPER(createInterpreter)(JNIEnv *env, jclass self, jlong model, jlong errors, jint threads,
                                 jboolean xnnpack, jobject delegates) {
    (void)self, (void)errors, (void)delegates;
    const char *library = getenv(VARIABLE);
    if (library == NULL) {
        fail(env, "java/lang/UnsatisfiedLinkError", VARIABLE, "is not set");
        return 0;
    }
    Session *session = calloc(1, sizeof *session);
    if (!session_open(session, library, ((Model *)at(model))->path, threads < 1 ? 1 : threads,
                      xnnpack)) {
        bad_argument(env, "Internal error: Cannot create interpreter", session->problem);
        free(session);
        return 0;
    }
    return number(session);
}

jlong WRAPPER(allocateTensors)(JNIEnv *env, jclass self, jlong interpreter, jlong errors) {
    UNUSED, (void)interpreter, (void)errors;
    return 0;
}

void WRAPPER(run)(JNIEnv *env, jclass self, jlong interpreter, jlong errors) {
    (void)self, (void)errors;
    Session *session = at(interpreter);
    if (!session_run(session)) {
        bad_argument(env, "Internal error: Failed to run on the given Interpreter",
                     session->problem);
    }
}

jboolean WRAPPER(resizeInput)(JNIEnv *env, jclass self, jlong interpreter, jlong errors,
                              jint index, jintArray sizes, jboolean strict) {
    (void)self, (void)interpreter, (void)errors, (void)index, (void)sizes, (void)strict;
    bad_argument(env, "The stand-in", "resizes no inputs");
    return 0;
}

jboolean WRAPPER(hasUnresolvedFlexOp)(JNIEnv *env, jclass self, jlong interpreter) {
    UNUSED, (void)interpreter;
    return 0;
}

jint WRAPPER(getInputCount)(JNIEnv *env, jclass self, jlong interpreter) {
    UNUSED;
    return (jint)((Session *)at(interpreter))->inputs;
}

jint WRAPPER(getOutputCount)(JNIEnv *env, jclass self, jlong interpreter) {
    UNUSED;
    return (jint)((Session *)at(interpreter))->outputs;
}

jint WRAPPER(getInputTensorIndex)(JNIEnv *env, jclass self, jlong interpreter, jint input) {
    UNUSED, (void)interpreter;
    return input;
}

jint WRAPPER(getOutputTensorIndex)(JNIEnv *env, jclass self, jlong interpreter, jint output) {
    UNUSED;
    return (jint)((Session *)at(interpreter))->inputs + output;
}

static jobjectArray names(JNIEnv *env, Session *session, size_t first, size_t count) {
    jobjectArray array = (*env)->NewObjectArray(
        env, (jsize)count, (*env)->FindClass(env, "java/lang/String"), NULL);
    for (size_t place = 0; array != NULL && place < count; place++) {
        jstring name = (*env)->NewStringUTF(env, session->slots[first + place].name);
        (*env)->SetObjectArrayElement(env, array, (jsize)place, name);
    }
    return array;
}

jobjectArray WRAPPER(getInputNames)(JNIEnv *env, jclass self, jlong interpreter) {
    (void)self;
    Session *session = at(interpreter);
    return names(env, session, 0, session->inputs);
}

jobjectArray WRAPPER(getOutputNames)(JNIEnv *env, jclass self, jlong interpreter) {
    (void)self;
    Session *session = at(interpreter);
    return names(env, session, session->inputs, session->outputs);
}

/* None: models are run by the numbers of their inputs. */
jobjectArray WRAPPER(getSignatureKeys)(JNIEnv *env, jclass self, jlong interpreter) {
    (void)self;
    return names(env, at(interpreter), 0, 0);
}

jlong WRAPPER(createCancellationFlag)(JNIEnv *env, jclass self, jlong interpreter) {
    UNUSED, (void)interpreter;
    return 0;
}

jlong WRAPPER(deleteCancellationFlag)(JNIEnv *env, jclass self, jlong flag) {
    UNUSED, (void)flag;
    return 0;
}

void WRAPPER(delete)(JNIEnv *env, jclass self, jlong errors, jlong model, jlong interpreter) {
    UNUSED;
    Model *opened = at(model);
    Session *session = at(interpreter);
    if (session != NULL) {
        session_close(session);
        free(session);
    }
    if (opened != NULL) {
        if (opened->file >= 0) {
            close(opened->file);
        }
        free(opened);
    }
    free(at(errors));
}

jlong TENSOR(create)(JNIEnv *env, jclass self, jlong interpreter, jint index, jint graph) {
    UNUSED, (void)graph;
    Tensor *tensor = calloc(1, sizeof *tensor);
    tensor->session = at(interpreter);
    tensor->index = index;
    return number(tensor);
}

void TENSOR(delete)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED;
    free(at(tensor));
}

jobject TENSOR(buffer)(JNIEnv *env, jclass self, jlong tensor) {
    (void)self;
    Slot *slot = slot_of(tensor);
    return (*env)->NewDirectByteBuffer(env, slot->memory, bytes_of(slot));
}

void TENSOR(writeDirectBuffer)(JNIEnv *env, jclass self, jlong tensor, jobject buffer) {
    (void)self;
    Slot *slot = slot_of(tensor);
    const char *bytes = (*env)->GetDirectBufferAddress(env, buffer);
    jlong size = bytes_of(slot);
    for (jlong place = 0; place < size; place++) {
        ((char *)slot->memory)[place] = bytes[place];
    }
}

jint TENSOR(dtype)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED;
    return slot_of(tensor)->type.element_type;
}

jintArray TENSOR(shape)(JNIEnv *env, jclass self, jlong tensor) {
    (void)self;
    Layout *layout = &slot_of(tensor)->type.layout;
    jintArray array = (*env)->NewIntArray(env, (jsize)layout->rank);
    if (array != NULL) {
        (*env)->SetIntArrayRegion(env, array, 0, (jsize)layout->rank, layout->dimensions);
    }
    return array;
}

jintArray TENSOR(shapeSignature)(JNIEnv *env, jclass self, jlong tensor) {
    return Java_org_tensorflow_lite_TensorImpl_shape(env, self, tensor);
}

jint TENSOR(numBytes)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED;
    return (jint)bytes_of(slot_of(tensor));
}

jboolean TENSOR(hasDelegateBufferHandle)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED, (void)tensor;
    return 0;
}

jint TENSOR(index)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED;
    return ((Tensor *)at(tensor))->index;
}

jstring TENSOR(name)(JNIEnv *env, jclass self, jlong tensor) {
    (void)self;
    return (*env)->NewStringUTF(env, slot_of(tensor)->name);
}

jfloat TENSOR(quantizationScale)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED;
    return slot_of(tensor)->scale;
}

jint TENSOR(quantizationZeroPoint)(JNIEnv *env, jclass self, jlong tensor) {
    UNUSED;
    return (jint)slot_of(tensor)->zero_point;
}

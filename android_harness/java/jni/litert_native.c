/* The native half of dev.edgedeploy.harness.LiteRtNative. */
#include <jni.h>

#include "platform.h"
#include "session.h"

#define METHOD(name) JNIEXPORT JNICALL Java_dev_edgedeploy_harness_LiteRtNative_##name

static void fail(JNIEnv *env, const char *class_name, const char *sentence) {
    jclass found = (*env)->FindClass(env, class_name);
    if (found == NULL) {
        return;
    }
    /* ThrowNew wants Java's own kind of UTF-8; Android ends the process where it is not. */
    char plain[PROBLEM_SIZE];
    size_t length = 0;
    for (; sentence[length] && length < sizeof plain - 1; length++) {
        plain[length] = (unsigned char)sentence[length] < 0x80 ? sentence[length] : '?';
    }
    plain[length] = 0;
    (*env)->ThrowNew(env, found, plain);
}

/* NULL where there is no memory: then Java throws that already. */
static jbyte *bytes_of(JNIEnv *env, jbyteArray array) {
    return (*env)->GetByteArrayElements(env, array, NULL);
}

static void give_back(JNIEnv *env, jbyteArray array, jbyte *bytes) {
    if (bytes != NULL) {
        (*env)->ReleaseByteArrayElements(env, array, bytes, JNI_ABORT);
    }
}

static void fail_for(JNIEnv *env, const Session *session) {
    fail(env,
         session->refusal == NO_LIBRARY ? "java/lang/UnsatisfiedLinkError"
             : session->refusal == NO_MEMORY ? "java/lang/OutOfMemoryError"
                                             : "java/lang/IllegalArgumentException",
         session->problem);
}

static Session *session_of(jlong handle) { return (Session *)(intptr_t)handle; }

static Slot *slot_of(jlong handle, jboolean output, jint index) {
    Session *session = session_of(handle);
    return &session->slots[(output ? session->inputs : 0) + (size_t)index];
}

/* Paths come as bytes that end with a zero: Java's own strings are not quite UTF-8 here. */
void METHOD(load)(JNIEnv *env, jclass self, jbyteArray library) {
    (void)self;
    LiteRt api;
    char problem[PROBLEM_SIZE];
    jbyte *path = bytes_of(env, library);
    if (path == NULL) {
        return;
    }
    bool done = litert_load((char *)path, &api, problem, sizeof problem);
    give_back(env, library, path);
    if (!done) {
        fail(env, "java/lang/UnsatisfiedLinkError", problem);
    }
}

jlong METHOD(open)(JNIEnv *env, jclass self, jbyteArray library, jbyteArray model, jint threads,
                   jboolean xnnpack) {
    (void)self;
    Session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        fail(env, "java/lang/OutOfMemoryError", "no memory for a model");
        return 0;
    }
    jbyte *library_path = bytes_of(env, library);
    jbyte *model_path = library_path == NULL ? NULL : bytes_of(env, model);
    bool read = model_path != NULL;
    bool done = read && session_open(session, (char *)library_path, (char *)model_path, threads,
                                     xnnpack);
    give_back(env, library, library_path);
    give_back(env, model, model_path);
    if (!done) {
        if (read) {
            fail_for(env, session);
        }
        free(session);
        return 0;
    }
    return (jlong)(intptr_t)session;
}

jint METHOD(count)(JNIEnv *env, jclass self, jlong handle, jboolean output) {
    (void)env, (void)self;
    Session *session = session_of(handle);
    return (jint)(output ? session->outputs : session->inputs);
}

/* The element type, then the size of each axis. */
jintArray METHOD(type)(JNIEnv *env, jclass self, jlong handle, jboolean output, jint index) {
    (void)self;
    RankedType *type = &slot_of(handle, output, index)->type;
    jint values[1 + LITERT_MOST_RANK];
    jsize rank = (jsize)type->layout.rank;
    values[0] = type->element_type;
    for (jsize axis = 0; axis < rank; axis++) {
        values[1 + axis] = type->layout.dimensions[axis];
    }
    jintArray array = (*env)->NewIntArray(env, 1 + rank);
    if (array != NULL) {
        (*env)->SetIntArrayRegion(env, array, 0, 1 + rank, values);
    }
    return array;
}

/* The very memory that inferences read and write. */
jobject METHOD(memory)(JNIEnv *env, jclass self, jlong handle, jboolean output, jint index) {
    (void)self;
    Slot *slot = slot_of(handle, output, index);
    return (*env)->NewDirectByteBuffer(env, slot->memory, (jlong)slot->size);
}

jboolean METHOD(delegated)(JNIEnv *env, jclass self, jlong handle) {
    (void)env, (void)self;
    return session_of(handle)->fully_delegated;
}

void METHOD(run)(JNIEnv *env, jclass self, jlong handle) {
    (void)self;
    Session *session = session_of(handle);
    if (!session_run(session)) {
        fail_for(env, session);
    }
}

void METHOD(close)(JNIEnv *env, jclass self, jlong handle) {
    (void)env, (void)self;
    session_close(session_of(handle));
    free(session_of(handle));
}

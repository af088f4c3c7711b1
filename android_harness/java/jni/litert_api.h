/* The part of the LiteRT C API that is used, by name from a libLiteRt.so that is loaded at run
 * time. Declared after the headers in litert/c of github.com/google-ai-edge/LiteRT, v2.1.4 to
 * v2.2.0. */
#ifndef EDGE_DEPLOY_LITERT_API_H
#define EDGE_DEPLOY_LITERT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LITERT_OK = 0, LITERT_CPU = 1, LITERT_RANKED = 0, LITERT_STRING = 5, LITERT_MOST_RANK = 8 };

typedef struct {
    unsigned int rank : 7;
    unsigned int has_strides : 1;
    int32_t dimensions[LITERT_MOST_RANK];
    uint32_t strides[LITERT_MOST_RANK];
} Layout;

typedef struct {
    int32_t element_type;
    Layout layout;
} RankedType;

_Static_assert(sizeof(RankedType) == 72, "LiteRtRankedTensorType takes 72 bytes");

/* An option of an environment that is a whole number; other kinds of values are as large. */
typedef struct {
    int32_t tag;
    _Alignas(8) int32_t kind;
    _Alignas(8) int64_t value;
} EnvironmentOption;

_Static_assert(sizeof(EnvironmentOption) == 24, "LiteRtEnvOption takes 24 bytes");

enum { LITERT_INT = 2, LITERT_AUTO_REGISTER_ACCELERATORS = 24 };

typedef void *Handle;
typedef void (*Destructor)(void *);

typedef struct {
    int (*CreateEnvironment)(int, const EnvironmentOption *, Handle *);
    void (*DestroyEnvironment)(Handle);
    int (*CreateModelFromFile)(Handle, const char *, Handle *);
    int (*CreateModelFromFileAlone)(const char *, Handle *); /* before 2.1.6: no environment */
    void (*DestroyModel)(Handle);
    int (*CreateOptions)(Handle *);
    void (*DestroyOptions)(Handle);
    int (*SetOptionsHardwareAccelerators)(Handle, int);
    int (*CreateOpaqueOptions)(const char *, void *, Destructor, Handle *);
    void (*DestroyOpaqueOptions)(Handle);
    int (*AddOpaqueOptions)(Handle, Handle); /* which takes them only where it succeeds */
    int (*CreateCompiledModel)(Handle, Handle, Handle, Handle *);
    void (*DestroyCompiledModel)(Handle);
    int (*CompiledModelIsFullyAccelerated)(Handle, bool *);
    int (*GetCompiledModelInputBufferRequirements)(Handle, size_t, size_t, Handle *);
    int (*GetCompiledModelOutputBufferRequirements)(Handle, size_t, size_t, Handle *);
    int (*GetCompiledModelInputTensorLayout)(Handle, size_t, size_t, Layout *);
    int (*GetCompiledModelOutputTensorLayouts)(Handle, size_t, size_t, Layout *, bool);
    int (*CompiledModelResizeInputTensor)(Handle, size_t, size_t, const int *, size_t);
    int (*RunCompiledModel)(Handle, size_t, size_t, Handle *, size_t, Handle *);
    int (*GetTensorBufferRequirementsBufferSize)(Handle, size_t *);
    int (*CreateTensorBufferFromHostMemory)(const RankedType *, void *, size_t, Destructor,
                                            Handle *);
    void (*DestroyTensorBuffer)(Handle);
    int (*GetMainModelSubgraphIndex)(Handle, size_t *);
    int (*GetModelSubgraph)(Handle, size_t, Handle *);
    int (*GetNumModelSignatures)(Handle, size_t *);
    int (*GetModelSignature)(Handle, size_t, Handle *);
    int (*GetSignatureSubgraph)(Handle, Handle *);
    int (*GetNumSignatureInputs)(Handle, size_t *);
    int (*GetNumSignatureOutputs)(Handle, size_t *);
    int (*GetSignatureInputTensorByIndex)(Handle, size_t, Handle *);
    int (*GetSignatureOutputTensorByIndex)(Handle, size_t, Handle *);
    int (*GetNumSubgraphInputs)(Handle, size_t *);
    int (*GetNumSubgraphOutputs)(Handle, size_t *);
    int (*GetSubgraphInput)(Handle, size_t, Handle *);
    int (*GetSubgraphOutput)(Handle, size_t, Handle *);
    int (*GetTensorTypeId)(Handle, int *);
    int (*GetRankedTensorType)(Handle, RankedType *);
    int (*GetQuantizationTypeId)(Handle, int *);
    int (*GetPerTensorQuantization)(Handle, void *);
    int (*GetTensorName)(Handle, const char **);
} LiteRt;

/* Loads the library and finds every function; false with a sentence in `problem`. */
bool litert_load(const char *library, LiteRt *api, char *problem, size_t size);

#endif

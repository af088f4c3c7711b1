#include "litert_api.h"

#include "platform.h"

#define NAME(function) {"LiteRt" #function, offsetof(LiteRt, function)}

static const struct {
    const char *name;
    size_t offset;
} FUNCTIONS[] = {
    NAME(CreateEnvironment),
    NAME(DestroyEnvironment),
    NAME(DestroyModel),
    NAME(CreateOptions),
    NAME(DestroyOptions),
    NAME(SetOptionsHardwareAccelerators),
    NAME(CreateOpaqueOptions),
    NAME(DestroyOpaqueOptions),
    NAME(AddOpaqueOptions),
    NAME(CreateCompiledModel),
    NAME(DestroyCompiledModel),
    NAME(CompiledModelIsFullyAccelerated),
    NAME(GetCompiledModelInputBufferRequirements),
    NAME(GetCompiledModelOutputBufferRequirements),
    NAME(GetCompiledModelInputTensorLayout),
    NAME(GetCompiledModelOutputTensorLayouts),
    NAME(CompiledModelResizeInputTensor),
    NAME(RunCompiledModel),
    NAME(GetTensorBufferRequirementsBufferSize),
    NAME(CreateTensorBufferFromHostMemory),
    NAME(DestroyTensorBuffer),
    NAME(GetMainModelSubgraphIndex),
    NAME(GetModelSubgraph),
    NAME(GetNumModelSignatures),
    NAME(GetModelSignature),
    NAME(GetSignatureSubgraph),
    NAME(GetNumSignatureInputs),
    NAME(GetNumSignatureOutputs),
    NAME(GetSignatureInputTensorByIndex),
    NAME(GetSignatureOutputTensorByIndex),
    NAME(GetNumSubgraphInputs),
    NAME(GetNumSubgraphOutputs),
    NAME(GetSubgraphInput),
    NAME(GetSubgraphOutput),
    NAME(GetTensorTypeId),
    NAME(GetRankedTensorType),
    NAME(GetQuantizationTypeId),
    NAME(GetPerTensorQuantization),
    NAME(GetTensorName),
};

/* Two things changed their shape without changing their name: before 2.1.6, which also brought
 * LiteRtCreateModelFromFd, models were opened without an environment; before 2.1.4 options for the
 * CPU were a struct, made by a function that went with it. */
static bool find_changed(void *handle, LiteRt *api) {
    void *open_file = dlsym(handle, "LiteRtCreateModelFromFile");
    bool takes_environment = dlsym(handle, "LiteRtCreateModelFromFd") != NULL;
    *(void **)&api->CreateModelFromFile = takes_environment ? open_file : NULL;
    *(void **)&api->CreateModelFromFileAlone = takes_environment ? NULL : open_file;
    return open_file != NULL && dlsym(handle, "LiteRtCreateCpuOptions") == NULL;
}

bool litert_load(const char *library, LiteRt *api, char *problem, size_t size) {
    void *handle = dlopen(library, NOW);
    if (handle == NULL) {
        const char *reason = dlerror();
        snprintf(problem, size, "the LiteRT library cannot be loaded: %s",
                 reason == NULL ? library : reason);
        return false;
    }
    for (size_t number = 0; number < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; number++) {
        void *function = dlsym(handle, FUNCTIONS[number].name);
        if (function == NULL) {
            snprintf(problem, size, "%s has no %s, as LiteRT 2.1.4 and later have", library,
                     FUNCTIONS[number].name);
            return false;
        }
        *(void **)((char *)api + FUNCTIONS[number].offset) = function;
    }
    if (!find_changed(handle, api)) {
        snprintf(problem, size, "%s is older than LiteRT 2.1.4", library);
        return false;
    }
    return true;
}

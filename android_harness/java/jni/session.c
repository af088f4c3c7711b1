#include "session.h"

#include "platform.h"

/* Tensor memory begins at this boundary (LITERT_HOST_MEMORY_BUFFER_ALIGNMENT); kernels may read
 * some bytes past its end. */
enum { ALIGNMENT = 64, SPARE = 128, OPTIONS_SIZE = 96, PER_TENSOR = 1 };

static bool begins(const char *text, const char *with) {
    while (*with && *text == *with) {
        text++;
        with++;
    }
    return *with == 0;
}

static bool refuse(Session *session, Refusal refusal, const char *what, int status) {
    session->refusal = refusal;
    snprintf(session->problem, PROBLEM_SIZE, "%s (LiteRT status %d)", what, status);
    return false;
}

/* A struct that is assigned becomes a call that only some systems' libc has. */
static void copy(void *to, const void *from, size_t size) {
    for (size_t at = 0; at < size; at++) {
        ((char *)to)[at] = ((const char *)from)[at];
    }
}

#define CHECK(call, what)                                          \
    do {                                                           \
        int status = session->api.call;                            \
        if (status != LITERT_OK) {                                 \
            return refuse(session, BAD_MODEL, what, status);       \
        }                                                          \
    } while (0)

/* Options are text; LiteRT gives them back through `free` when they go. */
static bool add_options(Session *session, Handle options, const char *kind, const char *text) {
    size_t length = strlen(text);
    char *given = calloc(1, length + 1);
    Handle opaque = NULL;
    if (given == NULL) {
        return refuse(session, NO_MEMORY, "no memory for LiteRT's options", 0);
    }
    copy(given, text, length);
    int status = session->api.CreateOpaqueOptions(kind, given, free, &opaque);
    if (status != LITERT_OK) {
        free(given);
        return refuse(session, BAD_MODEL, "LiteRT takes no options", status);
    }
    status = session->api.AddOpaqueOptions(options, opaque);
    if (status != LITERT_OK) {
        session->api.DestroyOpaqueOptions(opaque);
        return refuse(session, BAD_MODEL, "LiteRT takes no options", status);
    }
    return true;
}

static bool compile(Session *session, int threads, bool xnnpack, bool with_reasons) {
    Handle options = NULL;
    char text[OPTIONS_SIZE];
    CHECK(CreateOptions(&options), "LiteRT makes no options");
    int status = session->api.SetOptionsHardwareAccelerators(options, LITERT_CPU);
    if (status != LITERT_OK) {
        session->api.DestroyOptions(options);
        return refuse(session, BAD_MODEL, "LiteRT has no CPU", status);
    }
    /* Keys and words as in litert/c/options/litert_cpu_options.cc; without "kernel_mode" it is
     * XNNPACK, by a word that differs from version to version. */
    snprintf(text, sizeof text, "%snum_threads = %d\n",
             xnnpack ? "" : "kernel_mode = \"builtin\"\n", threads);
    bool done = add_options(session, options, "xnnpack", text);
    if (done && with_reasons) {
        done = add_options(session, options, "runtime_options_string", "error_reporter_mode = 1\n");
    }
    if (done) {
        status = session->api.CreateCompiledModel(session->environment, session->model, options,
                                                      &session->compiled);
        if (status != LITERT_OK) {
            session->compiled = NULL;
            done = refuse(session, BAD_MODEL, "LiteRT cannot compile the model", status);
        }
    }
    session->api.DestroyOptions(options);
    return done;
}

static bool find_signature(Session *session, Handle graph) {
    size_t count = 0;
    CHECK(GetNumModelSignatures(session->model, &count), "the model has no signatures");
    for (session->signature = 0; session->signature < count; session->signature++) {
        Handle signature = NULL, its_graph = NULL;
        size_t inputs = 0, outputs = 0;
        CHECK(GetModelSignature(session->model, session->signature, &signature), "no signature");
        CHECK(GetSignatureSubgraph(signature, &its_graph), "the signature has no graph");
        CHECK(GetNumSignatureInputs(signature, &inputs), "the signature has no inputs");
        CHECK(GetNumSignatureOutputs(signature, &outputs), "the signature has no outputs");
        if (its_graph == graph && inputs == session->inputs && outputs == session->outputs) {
            return true;
        }
    }
    return refuse(session, BAD_MODEL,
                  "no signature of the model has all inputs and outputs of its main graph", 0);
}

static bool read_slot(Session *session, Slot *slot) {
    int kind = -1, quantization = 0;
    struct {
        float scale;
        int64_t zero_point;
    } found = {0, 0};
    CHECK(GetTensorTypeId(slot->tensor, &kind), "a tensor has no type");
    if (kind != LITERT_RANKED) {
        return refuse(session, BAD_MODEL, "an input or output has no shape", 0);
    }
    CHECK(GetRankedTensorType(slot->tensor, &slot->type), "a tensor has no type");
    if (slot->type.element_type == LITERT_STRING) {
        return refuse(session, BAD_MODEL, "texts go in or out, which cannot be measured", 0);
    }
    CHECK(GetTensorName(slot->tensor, &slot->name), "a tensor has no name");
    CHECK(GetQuantizationTypeId(slot->tensor, &quantization), "a tensor has no quantization");
    if (quantization == PER_TENSOR) {
        CHECK(GetPerTensorQuantization(slot->tensor, &found), "a tensor has no quantization");
    }
    slot->scale = found.scale;
    slot->zero_point = found.zero_point;
    return true;
}

/* A size that the model leaves open is 1, as the TFLite interpreter has it. */
static bool settle_input(Session *session, Slot *slot, size_t place) {
    int sizes[LITERT_MOST_RANK];
    bool open = false;
    unsigned rank = slot->type.layout.rank;
    for (unsigned axis = 0; axis < rank; axis++) {
        int size = slot->type.layout.dimensions[axis];
        open = open || size < 0;
        sizes[axis] = size < 0 ? 1 : size;
    }
    if (open) {
        CHECK(CompiledModelResizeInputTensor(session->compiled, session->signature, place, sizes,
                                             rank),
              "an input of open size cannot be set to 1");
    }
    CHECK(GetCompiledModelInputTensorLayout(session->compiled, session->signature, place,
                                            &slot->type.layout),
          "an input has no layout");
    return true;
}

static bool add_memory(Session *session, Slot *slot, Handle requirements, Handle *buffer) {
    CHECK(GetTensorBufferRequirementsBufferSize(requirements, &slot->size), "a tensor has no size");
    if (posix_memalign(&slot->memory, ALIGNMENT, slot->size + SPARE) != 0) {
        slot->memory = NULL;
        return refuse(session, NO_MEMORY, "no memory for the tensors", 0);
    }
    for (size_t at = 0; at < slot->size + SPARE; at++) {
        ((char *)slot->memory)[at] = 0;
    }
    CHECK(CreateTensorBufferFromHostMemory(&slot->type, slot->memory, slot->size, NULL, buffer),
          "LiteRT takes no host memory");
    return true;
}

/* Where the signature has the tensor; signatures sort their tensors by other rules. */
static bool place_of(Session *session, Handle tensor, bool output, size_t *place) {
    size_t count = output ? session->outputs : session->inputs;
    Handle signature = NULL, found = NULL;
    CHECK(GetModelSignature(session->model, session->signature, &signature), "no signature");
    for (*place = 0; *place < count; ++*place) {
        int status = output
            ? session->api.GetSignatureOutputTensorByIndex(signature, *place, &found)
            : session->api.GetSignatureInputTensorByIndex(signature, *place, &found);
        if (status == LITERT_OK && found == tensor) {
            return true;
        }
    }
    return refuse(session, BAD_MODEL, "the model's signature lacks one of its tensors", 0);
}

static bool prepare_inputs(Session *session, Handle graph) {
    for (size_t number = 0; number < session->inputs; number++) {
        Slot *slot = &session->slots[number];
        size_t place = 0;
        CHECK(GetSubgraphInput(graph, number, &slot->tensor), "the model lacks an input");
        if (!read_slot(session, slot) || !place_of(session, slot->tensor, false, &place) ||
            !settle_input(session, slot, place)) {
            return false;
        }
    }
    for (size_t number = 0; number < session->inputs; number++) {
        Slot *slot = &session->slots[number];
        Handle requirements = NULL;
        size_t place = 0;
        if (!place_of(session, slot->tensor, false, &place)) {
            return false;
        }
        CHECK(GetCompiledModelInputBufferRequirements(session->compiled, session->signature, place,
                                                      &requirements),
              "an input has no size");
        if (!add_memory(session, slot, requirements, &session->input_buffers[place])) {
            return false;
        }
    }
    return true;
}

static bool prepare_outputs(Session *session, Handle graph) {
    Layout *layouts = calloc(session->outputs + 1, sizeof *layouts);
    if (layouts == NULL) {
        return refuse(session, NO_MEMORY, "no memory for the tensors", 0);
    }
    int status = session->api.GetCompiledModelOutputTensorLayouts(
        session->compiled, session->signature, session->outputs, layouts, true);
    bool done = status == LITERT_OK;
    if (!done) {
        refuse(session, BAD_MODEL, "the outputs have no layout", status);
    }
    for (size_t number = 0; done && number < session->outputs; number++) {
        Slot *slot = &session->slots[session->inputs + number];
        Handle requirements = NULL;
        size_t place = 0;
        status = session->api.GetSubgraphOutput(graph, number, &slot->tensor);
        done = status == LITERT_OK && read_slot(session, slot) &&
            place_of(session, slot->tensor, true, &place);
        if (!done) {
            break;
        }
        copy(&slot->type.layout, &layouts[place], sizeof(Layout));
        status = session->api.GetCompiledModelOutputBufferRequirements(
            session->compiled, session->signature, place, &requirements);
        done = status == LITERT_OK
            ? add_memory(session, slot, requirements, &session->output_buffers[place])
            : refuse(session, BAD_MODEL, "an output has no size", status);
    }
    free(layouts);
    return done;
}

static bool prepare(Session *session) {
    Handle graph = NULL;
    size_t main_graph = 0;
    CHECK(GetMainModelSubgraphIndex(session->model, &main_graph), "the model has no graph");
    CHECK(GetModelSubgraph(session->model, main_graph, &graph), "the model has no graph");
    CHECK(GetNumSubgraphInputs(graph, &session->inputs), "the model has no inputs");
    CHECK(GetNumSubgraphOutputs(graph, &session->outputs), "the model has no outputs");
    session->slots = calloc(session->inputs + session->outputs + 1, sizeof *session->slots);
    session->input_buffers = calloc(session->inputs + 1, sizeof(Handle));
    session->output_buffers = calloc(session->outputs + 1, sizeof(Handle));
    if (!session->slots || !session->input_buffers || !session->output_buffers) {
        return refuse(session, NO_MEMORY, "no memory for the tensors", 0);
    }
    CHECK(CompiledModelIsFullyAccelerated(session->compiled, &session->fully_delegated),
          "LiteRT does not say what it delegates");
    return find_signature(session, graph) && prepare_inputs(session, graph) &&
        prepare_outputs(session, graph);
}

/* Gives back what belongs to the compiled model. */
static void release(Session *session) {
    for (size_t number = 0; session->input_buffers && number < session->inputs; number++) {
        if (session->input_buffers[number]) {
            session->api.DestroyTensorBuffer(session->input_buffers[number]);
        }
    }
    for (size_t number = 0; session->output_buffers && number < session->outputs; number++) {
        if (session->output_buffers[number]) {
            session->api.DestroyTensorBuffer(session->output_buffers[number]);
        }
    }
    if (session->compiled) {
        session->api.DestroyCompiledModel(session->compiled);
    }
    for (size_t number = 0; session->slots && number < session->inputs + session->outputs;
         number++) {
        free(session->slots[number].memory);
    }
    free(session->slots);
    free(session->input_buffers);
    free(session->output_buffers);
    session->slots = NULL;
    session->input_buffers = session->output_buffers = NULL;
    session->compiled = NULL;
}

static bool make_ready(Session *session, int threads, bool xnnpack, bool with_reasons) {
    bool done = compile(session, threads, xnnpack, with_reasons) && prepare(session);
    if (!done) {
        release(session);
    }
    return done;
}

/* LiteRT tells the reason of a refusal on stderr alone: try once more and read along. */
static void find_reason(Session *session, int threads, bool xnnpack) {
    int ends[2];
    int kept = dup(STANDARD_ERROR);
    if (kept < 0) {
        return;
    }
    if (pipe2(ends, PIPE_NOT_BLOCKING) != 0) {
        close(kept);
        return;
    }
    dup2(ends[1], STANDARD_ERROR);
    make_ready(session, threads, xnnpack, true);
    dup2(kept, STANDARD_ERROR);
    close(kept);
    close(ends[1]);
    char text[PROBLEM_SIZE];
    long length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    text[length < 0 ? 0 : length] = 0;
    release(session);
    size_t to = 0;
    for (long at = 0; at < length;) {
        long end = at;
        while (end < length && text[end] != '\n') {
            end++;
        }
        /* What begins so is the log, not the reason. */
        bool log = begins(&text[at], "INFO:") || begins(&text[at], "WARNING:") ||
            begins(&text[at], "VERBOSE:");
        for (; !log && at < end; at++) {
            session->problem[to++] = text[at];
        }
        if (!log) {
            session->problem[to++] = ' ';
        }
        at = end + 1;
    }
    if (to > 0) {
        session->problem[to - 1] = 0;
    }
}

bool session_open(Session *session, const char *library, const char *model, int threads,
                  bool xnnpack) {
    if (!litert_load(library, &session->api, session->problem, PROBLEM_SIZE)) {
        session->refusal = NO_LIBRARY;
        return false;
    }
    /* Otherwise it would look for the libraries of every GPU and NPU first. */
    const EnvironmentOption cpu_alone = {LITERT_AUTO_REGISTER_ACCELERATORS, LITERT_INT, LITERT_CPU};
    int status = session->api.CreateEnvironment(1, &cpu_alone, &session->environment);
    if (status != LITERT_OK) {
        session->environment = NULL;
        return refuse(session, NO_LIBRARY, "the LiteRT library does not start", status);
    }
    status = session->api.CreateModelFromFile != NULL
        ? session->api.CreateModelFromFile(session->environment, model, &session->model)
        : session->api.CreateModelFromFileAlone(model, &session->model);
    if (status != LITERT_OK) {
        session->model = NULL;
        refuse(session, BAD_MODEL, "LiteRT cannot read the model", status);
        session_close(session);
        return false;
    }
    if (make_ready(session, threads, xnnpack, false)) {
        return true;
    }
    if (session->refusal == BAD_MODEL) {
        find_reason(session, threads, xnnpack);
    }
    session_close(session);
    return false;
}

bool session_run(Session *session) {
    int status = session->api.RunCompiledModel(session->compiled, session->signature,
                                               session->inputs, session->input_buffers,
                                               session->outputs, session->output_buffers);
    return status == LITERT_OK ||
        refuse(session, BAD_MODEL, "LiteRT cannot run the model", status);
}

void session_close(Session *session) {
    release(session);
    if (session->model) {
        session->api.DestroyModel(session->model);
    }
    if (session->environment) {
        session->api.DestroyEnvironment(session->environment);
    }
    session->model = session->environment = NULL;
}

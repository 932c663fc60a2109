import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node in this process: {@code OpenSearchPeer HOME HTTP_PORT [SETTING=VALUE…]}. Ends with a signal. */
final class OpenSearchPeer extends Node {
    private OpenSearchPeer(Settings settings, Path home) {
        super(
                InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "peer"),
                List.of(Netty4Plugin.class),
                false);
    }

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Settings.Builder settings =
                Settings.builder()
                        .put("path.home", home.toString())
                        .put("cluster.name", "peer")
                        .put("node.name", "peer")
                        .put("discovery.type", "single-node")
                        .put("http.type", "netty4")
                        .put("http.host", "127.0.0.1")
                        .put("http.port", arguments[1])
                        .put("transport.type", "netty4")
                        .put("transport.host", "127.0.0.1")
                        // Nobody joins: any free port.
                        .put("transport.port", "0")
                        // A nearly full disk of the developer is not our subject.
                        .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (String argument : List.of(arguments).subList(2, arguments.length)) {
            String[] setting = argument.split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        OpenSearchPeer node = new OpenSearchPeer(settings.build(), home);
        Runtime.getRuntime().addShutdownHook(new Thread(node::closeQuietly));
        node.start();
        Thread.currentThread().join();
    }

    private void closeQuietly() {
        try {
            close();
        } catch (java.io.IOException error) {
            System.err.println("failed to close the node: " + error);
        }
    }
}
